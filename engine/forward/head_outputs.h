// Copies the heads' outputs of unedited runs out of a forward pass, for scans that want them (Scan::on_head_outputs).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/plan/plan.h"
#include "engine/types.h"

namespace ablate {

struct ScanHeadOutputs {
  // Index into Run's scans.
  int32_t scan = 0;
  at::Tensor z;  // [L, T, H, Dh], on the host
};

// In the form in which scans take it: up to twice the size, so for one scan at a time.
HeadOutputs Widened(const at::Tensor& z);

// One chunk's. A scan's baseline goes through all layers of the chunk that reports it.
class HeadOutputsTap {
 public:
  HeadOutputsTap(const Chunk& chunk, absl::Span<const Scan> scans);

  // z [N, H, Dh] of the layer, before any edit.
  void Layer(const LayerPlan& plan, const at::Tensor& z);
  // In the order of the scans.
  std::vector<ScanHeadOutputs> Take() &&;

 private:
  int64_t n_layers_ = 0;                  // L
  std::vector<ScanHeadOutputs> outputs_;  // of the scans that want them
};

}  // namespace ablate
