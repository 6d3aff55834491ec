#include "engine/forward/gather_composed.h"

#include <ATen/Functions.h>

#include <vector>

#include "engine/forward/cuda_launch.h"

namespace ablate {
namespace {

at::Tensor Index(const std::vector<int64_t>& index, const at::Tensor& beside) {
  return ToDevice(at::tensor(index, at::kLong), beside.device());
}

// With the first repeated for each row of `out` behind them.
std::vector<int64_t> Padded(absl::Span<const int64_t> index, const at::Tensor& out) {
  std::vector<int64_t> padded(index.begin(), index.end());
  padded.resize(static_cast<size_t>(out.size(0)), index.at(0));
  return padded;
}

}  // namespace

// Part by part: what is copied is what is asked for, not the parts.
void GatherRowsComposed(absl::Span<const at::Tensor> parts, absl::Span<const int64_t> rows, at::Tensor& out) {
  const std::vector<int64_t> wanted = Padded(rows, out);
  int64_t first = 0;  // row of the part at hand
  for (const at::Tensor& part : parts) {
    std::vector<int64_t> from, to;
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] < first || wanted[i] >= first + part.size(0)) continue;
      from.push_back(wanted[i] - first);
      to.push_back(static_cast<int64_t>(i));
    }
    if (!from.empty()) out.index_copy_(0, Index(to, out), part.index_select(0, Index(from, out)));
    first += part.size(0);
  }
}

}  // namespace ablate
