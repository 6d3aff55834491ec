#include "engine/forward/workspace.h"

#include <ATen/Functions.h>
#include <c10/util/accumulate.h>

#include <utility>

namespace ablate {

at::Tensor Workspace::Take(Slot slot, at::IntArrayRef shape) {
  at::Tensor& storage = slots_[static_cast<size_t>(slot)];
  const int64_t numel = c10::multiply_integers(shape);
  if (!storage.defined() || storage.numel() < numel) {
    storage.reset();  // before the new one is made: the two never exist together
    storage = at::zeros({numel}, options_);
  }
  return storage.narrow(0, 0, numel).view(shape);
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
  return storage.narrow(0, 0, numel);
}

void Workspace::GiveBack(at::Tensor borrowed) {
  if (!borrowed.defined()) return;
  const auto capacity = static_cast<int64_t>(borrowed.storage().nbytes() / borrowed.element_size());
  spare_.push_back(borrowed.as_strided({capacity}, {1}, 0));
}

void Workspace::Clear() {
  spare_.clear();
  for (at::Tensor& storage : slots_) storage.reset();
}

}  // namespace ablate
