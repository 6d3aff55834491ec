// The buffers of the forward pass, reused from layer to layer and pass to pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ablate {

enum class Slot : size_t { kResidualA, kResidualB, kNormed, kHidden, kHeads, kEditedHeads, kLogits, kCount };

// Owned by the thread that owns the device. A tensor handed out for a slot is valid until the slot is taken again.
class Workspace {
 public:
  explicit Workspace(at::TensorOptions options) : options_(options) {}

  // A contiguous tensor of `shape` at the front of the slot's storage, which grows where needed. The content is
  // whatever was there before.
  at::Tensor Take(Slot slot, at::IntArrayRef shape);
  // The residual slot that does not hold `residual`.
  at::Tensor TakeOther(const at::Tensor& residual, at::IntArrayRef shape);

  // A tensor [numel] that nobody else has until it is given back: for what outlives a pass, behind which other scans may
  // run. The content is whatever was there before.
  at::Tensor Borrow(int64_t numel);
  void GiveBack(at::Tensor borrowed);

  // Gives everything back; until then nothing is.
  void Clear();

 private:
  at::TensorOptions options_;
  std::array<at::Tensor, static_cast<size_t>(Slot::kCount)> slots_;  // each [capacity]
  std::vector<at::Tensor> spare_;                                    // each [capacity]
};

}  // namespace ablate
