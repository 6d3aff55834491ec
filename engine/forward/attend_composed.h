// attend as a composition of ATen ops, for what our CUDA kernel does not take: long rows and large heads. Runs
// anywhere, so that tests compare it with the CPU's kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/types/span.h"
#include "engine/forward/ops.h"
#include "engine/plan/plan.h"

namespace ablate {

// Rows run in groups, padded to the group's longest. A group has at most this many padded tokens, or is one row.
inline constexpr int64_t kAttendGroupTokens = 32'768;

// As Attend in ops.h for `wanted`, some of `rows`, except that a NaN or Inf in a row's later keys or values may reach
// its earlier tokens: ATen multiplies them by zero. Other rows are out of its reach. No row is empty. As kBf16,
// queries, keys, values and weights are rounded to bfloat16 and sums are float32, by whichever of ATen's kernels it
// takes (flash, cuDNN's); else it is the memory-efficient one, or the plain one.
void AttendComposed(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows,
                    absl::Span<const Row> wanted, Operand operand, at::Tensor& z);

}  // namespace ablate
