// embed and gather as compositions of ATen ops, for devices without loops of our own (CUDA). They run anywhere, so that
// tests compare them with the CPU's loops.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/types/span.h"

namespace ablate {

// As Embed and GatherRows in ops.h.
void EmbedComposed(const at::Tensor& wte, const at::Tensor& wpe, absl::Span<const int64_t> ids,
                   absl::Span<const int64_t> positions, at::Tensor& out);
void GatherRowsComposed(absl::Span<const at::Tensor> parts, absl::Span<const int64_t> rows, at::Tensor& out);

}  // namespace ablate
