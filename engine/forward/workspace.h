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

  // Lets the slot's storage grow to `numel` elements before anything is taken: while a tensor of the old storage is
  // about, both exist.
  void Reserve(Slot slot, int64_t numel);
  // A contiguous tensor of `shape` at the front of the slot's storage, which grows where needed. The content is
  // whatever was there before.
  at::Tensor Take(Slot slot, at::IntArrayRef shape);
  // The residual slot that does not hold `residual`.
  at::Tensor TakeOther(const at::Tensor& residual, at::IntArrayRef shape);

  // A tensor [numel] or longer that nobody else has until it is given back: for what outlives a pass, between two of
  // which other scans may run. The content is whatever was there before.
  at::Tensor Borrow(int64_t numel);
  void GiveBack(at::Tensor borrowed) noexcept;

  // Goes up when the storage of a slot that a layer uses has become another one: what was recorded with its address is
  // of no use then.
  int64_t generation() const { return generation_; }
  // Of the slots and of what waits to be borrowed.
  int64_t bytes() const;
  // Frees what is more than one spare buffer and `slot_bytes` of slots: all slots where they are larger together.
  void Trim(int64_t slot_bytes);
  // Frees everything but what is borrowed, which may be given back afterwards.
  void Clear();

 private:
  void DropSlots();

  at::TensorOptions options_;
  std::array<at::Tensor, static_cast<size_t>(Slot::kCount)> slots_;  // each [capacity]
  std::vector<at::Tensor> spare_;                                    // each [capacity], with room for all borrowed
  size_t n_borrowed_ = 0;
  int64_t generation_ = 0;
};

}  // namespace ablate
