// gather as a composition of ATen ops, for devices without a loop of our own (CUDA). It runs anywhere, so that tests
// compare it with the CPU's loop.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/types/span.h"

namespace ablate {

// As GatherRows in ops.h.
void GatherRowsComposed(absl::Span<const at::Tensor> parts, absl::Span<const int64_t> rows, at::Tensor& out);

}  // namespace ablate
