#include "engine/forward/head_outputs.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <utility>

namespace ablate {

HeadOutputsTap::HeadOutputsTap(const Chunk& chunk, absl::Span<const Scan> scans)
    : n_layers_(static_cast<int64_t>(chunk.layers.size())) {
  for (const ReadPoint& read : chunk.reads) {
    const bool is_new = outputs_.empty() || outputs_.back().scan != read.prompt;
    if (read.variant != kBaselineVariant || !is_new || !scans[read.prompt].on_head_outputs) continue;
    outputs_.push_back({.scan = read.prompt, .z = {}});
  }
}

void HeadOutputsTap::Layer(const LayerPlan& plan, const at::Tensor& z) {
  // Unedited rows come first, in the order of the prompts.
  auto row = plan.rows.begin();
  for (ScanHeadOutputs& outputs : outputs_) {
    row = std::find_if(row, plan.rows.end(), [&](const Row& r) { return r.prompt == outputs.scan && !r.is_donor; });
    TORCH_CHECK(row != plan.rows.end(), "the baseline of prompt ", outputs.scan, " has left before layer ", plan.layer);
    if (!outputs.z.defined()) {
      outputs.z = at::empty({n_layers_, row->end, z.size(1), z.size(2)}, z.options().device(at::kCPU));
    }
    outputs.z.select(0, plan.layer).copy_(z.narrow(0, row->first_token, row->end));
  }
}

std::vector<ScanHeadOutputs> HeadOutputsTap::Take() && {
  return std::move(outputs_);
}

HeadOutputs Widened(const at::Tensor& z) {
  HeadOutputs wide(z.numel());
  at::from_blob(wide.data(), z.sizes(), at::kDouble).copy_(z);
  return wide;
}

}  // namespace ablate
