#include "server/means/mean_accumulator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ablate {

MeanAccumulator::MeanAccumulator(const MeanAccumulatorOptions& options)
    : options_(options), n_cells_(std::max(options.n_positions, 1)) {
  const auto n_groups = static_cast<size_t>(options.n_groups);
  const auto n_cells = static_cast<size_t>(n_cells_);
  sum_.resize(n_groups * static_cast<size_t>(options.n_layers) * static_cast<size_t>(options.n_heads) * n_cells *
              static_cast<size_t>(options.d_head));
  count_.resize(n_groups * n_cells);
}

double* MeanAccumulator::SumsAt(int32_t group, int64_t layer, int64_t head, int64_t cell) {
  const int64_t site = (group * int64_t{options_.n_layers} + layer) * options_.n_heads + head;
  return sum_.data() + (site * n_cells_ + cell) * options_.d_head;
}

absl::Status MeanAccumulator::Add(absl::Span<const double> z, int32_t n_tokens, int32_t group) {
  const int64_t n_heads = options_.n_heads;
  const int64_t d_head = options_.d_head;
  const int64_t expected = options_.n_layers * int64_t{n_tokens} * n_heads * d_head;
  const bool pooled = options_.n_positions == 0;
  if (static_cast<int64_t>(z.size()) != expected || group < 0 || group >= options_.n_groups ||
      (!pooled && n_tokens > options_.n_positions)) {
    return absl::InternalError(absl::StrCat("head outputs of a prompt of ", n_tokens, " tokens in group ", group,
                                            " have ", z.size(), " elements, expected ", expected, ", at most ",
                                            options_.n_positions, " tokens and a group of 0 .. ",
                                            options_.n_groups - 1));
  }
  const int32_t first = FirstPosition(options_);
  bool finite = true;
  for (int64_t layer = 0; layer < options_.n_layers; ++layer) {
    for (int64_t position = first; position < n_tokens; ++position) {
      for (int64_t head = 0; head < n_heads; ++head) {
        const double* from = z.data() + ((layer * n_tokens + position) * n_heads + head) * d_head;
        double* to = SumsAt(group, layer, head, pooled ? 0 : position);
        for (int64_t i = 0; i < d_head; ++i) {
          finite &= std::isfinite(from[i]);
          to[i] += from[i];
        }
      }
    }
  }
  if (!finite) return absl::InternalError("a head's output is NaN or Inf, expected finite numbers");
  for (int64_t position = first; position < n_tokens; ++position) {
    ++count_[static_cast<size_t>(group * n_cells_ + (pooled ? 0 : position))];
  }
  n_tokens_ += std::max(n_tokens - first, 0);
  return absl::OkStatus();
}

void MeanAccumulator::Finish(MeanLibrary& library) {
  for (int32_t group = 0; group < options_.n_groups; ++group) {
    for (int64_t cell = 0; cell < n_cells_; ++cell) {
      const int64_t count = count_[static_cast<size_t>(group * n_cells_ + cell)];
      if (count == 0) continue;
      for (int64_t layer = 0; layer < options_.n_layers; ++layer) {
        for (int64_t head = 0; head < options_.n_heads; ++head) {
          double* sums = SumsAt(group, layer, head, cell);
          for (int32_t i = 0; i < options_.d_head; ++i) sums[i] /= static_cast<double>(count);
        }
      }
    }
  }
  library.n_layers = options_.n_layers;
  library.n_heads = options_.n_heads;
  library.d_head = options_.d_head;
  library.mean = std::move(sum_);
  library.count = std::move(count_);
}

}  // namespace ablate
