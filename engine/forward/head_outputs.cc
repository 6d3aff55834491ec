#include "engine/forward/head_outputs.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <iterator>

namespace ablate {

HeadOutputsTap::HeadOutputsTap(const Chunk& chunk, absl::Span<const Scan> scans) {
  for (const ReadPoint& read : chunk.reads) {
    const bool is_new = scans_.empty() || scans_.back() != read.prompt;
    if (read.variant == kBaselineVariant && is_new && scans[read.prompt].on_head_outputs) scans_.push_back(read.prompt);
  }
  z_.resize(scans_.size());
}

void HeadOutputsTap::Layer(const LayerPlan& plan, const at::Tensor& z) {
  // Unedited rows come first, in the order of the prompts.
  auto row = plan.rows.begin();
  for (size_t i = 0; i < scans_.size(); ++i) {
    row = std::find_if(row, plan.rows.end(), [&](const Row& r) { return r.prompt == scans_[i] && !r.is_donor; });
    TORCH_CHECK(row != plan.rows.end(), "the baseline of prompt ", scans_[i], " has left before layer ", plan.layer);
    const at::Tensor own = z.narrow(0, row->first_token, row->end);
    z_[i].push_back(own.to(own.options().device(at::kCPU), /*non_blocking=*/false, /*copy=*/true));
  }
}

std::vector<ScanHeadOutputs> HeadOutputsTap::Take() && {
  std::vector<ScanHeadOutputs> result;
  for (size_t i = 0; i < scans_.size(); ++i) {
    result.push_back({scans_[i], at::stack(z_[i])});
    z_[i].clear();
  }
  return result;
}

HeadOutputs Widened(const at::Tensor& z) {
  const at::Tensor wide = z.to(at::kDouble).contiguous();
  return {wide.const_data_ptr<double>(), wide.const_data_ptr<double>() + wide.numel()};
}

}  // namespace ablate
