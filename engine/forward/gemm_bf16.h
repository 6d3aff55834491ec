// Matrix products of bfloat16 with sums in float32, by the MKL that is part of libtorch (AVX512-BF16, AMX).
//
// ATen's own products of bfloat16 round what they return, which a float32 residual cannot use.
#pragma once

#include <ATen/core/Tensor.h>

namespace ablate {

// Whether this CPU has the instructions. Without them MKL would emulate them, slower than float32.
bool HasBf16Gemm();

// out = beta out + x W. x [M, K] and weight [K, O] bfloat16, out [M, O] float32, all on the CPU. Rows may be further
// apart than they are long; weight may be transposed. Row i of `out` depends on row i of x only, bit for bit, where M
// is a multiple of kRowMultiple (ops.h): the self-test looks whether it does.
void GemmBf16(const at::Tensor& x, const at::Tensor& weight, float beta, at::Tensor& out);

}  // namespace ablate
