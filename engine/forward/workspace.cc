#include "engine/forward/workspace.h"

#include <ATen/Functions.h>
#include <c10/util/accumulate.h>

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

void Workspace::Clear() {
  for (at::Tensor& storage : slots_) storage.reset();
}

}  // namespace ablate
