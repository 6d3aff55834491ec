#include "engine/forward/workspace.h"

#include <ATen/Functions.h>
#include <c10/util/accumulate.h>

#include <utility>

#include "absl/types/span.h"

namespace ablate {
namespace {

int64_t BytesOf(absl::Span<const at::Tensor> buffers) {
  size_t bytes = 0;
  for (const at::Tensor& buffer : buffers) bytes += buffer.defined() ? buffer.nbytes() : 0;
  return static_cast<int64_t>(bytes);
}

}  // namespace

void Workspace::Reserve(Slot slot, int64_t numel) {
  at::Tensor& storage = slots_[static_cast<size_t>(slot)];
  if (storage.defined() && storage.numel() >= numel) return;
  if (slot != Slot::kLogits) ++generation_;
  storage.reset();  // before the new one is made
  storage = at::zeros({numel}, options_);
}

at::Tensor Workspace::Take(Slot slot, at::IntArrayRef shape) {
  const int64_t numel = c10::multiply_integers(shape);
  Reserve(slot, numel);
  return slots_[static_cast<size_t>(slot)].narrow(0, 0, numel).view(shape);
}

at::Tensor Workspace::TakeOther(const at::Tensor& residual, at::IntArrayRef shape) {
  const at::Tensor& a = slots_[static_cast<size_t>(Slot::kResidualA)];
  const bool in_a = a.defined() && a.data_ptr() == residual.data_ptr();
  return Take(in_a ? Slot::kResidualB : Slot::kResidualA, shape);
}

at::Tensor Workspace::Borrow(int64_t numel) {
  at::Tensor storage;
  if (!spare_.empty()) {
    storage = std::move(spare_.back());
    spare_.pop_back();
  }
  if (!storage.defined() || storage.numel() < numel) {
    storage.reset();
    storage = at::zeros({numel}, options_);
  }
  spare_.reserve(spare_.size() + n_borrowed_ + 1);
  ++n_borrowed_;
  return storage;
}

void Workspace::GiveBack(at::Tensor borrowed) noexcept {
  if (!borrowed.defined()) return;
  --n_borrowed_;
  spare_.push_back(std::move(borrowed));
}

int64_t Workspace::bytes() const {
  return BytesOf(slots_) + BytesOf(spare_);
}

void Workspace::Trim(int64_t slot_bytes) {
  if (spare_.size() > 1) spare_.resize(1);
  if (BytesOf(slots_) > slot_bytes) DropSlots();
}

void Workspace::Clear() {
  spare_.clear();
  DropSlots();
}

void Workspace::DropSlots() {
  ++generation_;
  slots_.fill({});
}

}  // namespace ablate
