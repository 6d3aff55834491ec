#include "tests/server/verify/noisy_engine.h"

#include <utility>

#include "engine/scan_plan.h"
#include "server/verify/columns.h"

namespace ablate {
namespace {

using Member = std::vector<double> ReadoutBlock::*;

// Multiples of 1/8 up to 16: sums and differences with noise of 2^-10 and more are exact.
double Exact(absl::string_view column, int32_t variant, int32_t position) {
  uint64_t hash = 0x9E3779B97F4A7C15U * static_cast<uint64_t>(variant + 3) + 0x2545F491U * (position + 1);
  for (const char c : column) hash = hash * 1099511628211U + static_cast<unsigned char>(c);
  hash ^= hash >> 29;
  hash *= 0xBF58476D1CE4E5B9U;
  return static_cast<double>((hash >> 40) % 128) / 8;
}

ReadoutBlock MakeRow(const NoisyOptions& options, const Scan& scan, int32_t variant, int32_t position) {
  ReadoutBlock block;
  block.variant = {variant};
  block.position = {position};
  for (int32_t k = 0; k < scan.top_k; ++k) {
    block.top_k_id.push_back(100 + position + k);
    block.top_k_logprob.push_back(-1.0 - k);
  }
  if (scan.answers.empty()) return block;
  const auto number = [&](absl::string_view column) {
    const double noise = options.noise ? options.noise({column, &scan, variant, position}) : 0;
    return Exact(column, variant, position) + noise;
  };
  for (const Column& column : RowColumns()) {
    if (column.value == nullptr) {
      block.target_rank.push_back(static_cast<int32_t>(number(column.name)));
    } else if ((block.*column.value).empty()) {
      (block.*column.value).push_back(number(column.name));
    }
  }
  for (double& logprob : block.top_k_logprob)
    logprob += options.noise ? number("top_k_logprob") - Exact("top_k_logprob", variant, position) : 0;
  return block;
}

}  // namespace

NoisyEngine::NoisyEngine(NoisyOptions options) : options_(std::move(options)) {
  info_.n_layers = options_.n_layers;
  info_.n_heads = options_.n_heads;
  info_.d_head = 4;
  info_.d_model = 4 * options_.n_heads;
  info_.vocab_size = FakeTokenizer::kVocabSize;
  info_.n_positions = options_.n_positions;
  info_.weights_sha256 = "3e1f";
  info_.device = "cpu";
  info_.device_name = "none";
  info_.torch_version = "0";
  info_.precision = options_.precision;
  folded_.assign(options_.n_layers * options_.n_heads * 4, 0.25);
}

absl::Status NoisyEngine::Validate(const Scan& scan) const {
  return Cost(scan).status();
}

absl::StatusOr<int64_t> NoisyEngine::Cost(const Scan& scan) const {
  const auto planner = PlannerOf({&scan, 1}, {options_.n_layers, 16'384});
  if (!planner.ok()) return planner.status();
  return planner->cost();
}

absl::StatusOr<PlanWork> NoisyEngine::Work(absl::Span<const Scan> scans) const {
  const auto planner = PlannerOf(scans, {options_.n_layers, 16'384});
  if (!planner.ok()) return planner.status();
  return planner->Work();
}

absl::StatusOr<RunStats> NoisyEngine::Run(absl::Span<const Scan> scans, const BlockSink& sink) {
  for (size_t s = 0; s < scans.size(); ++s) {
    if (absl::Status status = Validate(scans[s]); !status.ok()) return status;
    // Backwards: nobody promised an order.
    for (auto variant = static_cast<int32_t>(scans[s].variants.size()) - 1; variant >= kDonorVariant; --variant) {
      if (variant == kDonorVariant && scans[s].donor_token_ids.empty()) continue;
      for (const int32_t position : scans[s].read_positions) {
        const int copies = options_.copies ? options_.copies(variant, position) : 1;
        for (int copy = 0; copy < copies; ++copy) {
          ReadoutBlock block = MakeRow(options_, scans[s], variant, position);
          block.scan = static_cast<int32_t>(s);
          if (absl::Status status = sink(std::move(block)); !status.ok()) return status;
        }
      }
    }
  }
  if (!options_.status.ok()) return options_.status;
  return RunStats{};
}

}  // namespace ablate
