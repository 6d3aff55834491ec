// What the products of a library of its own (gemm_bf16.h, gemm_cuda.h) ask of their tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ablate {

// How a weight [K, O] lies in memory.
struct WeightLayout {
  bool is_transposed;
  // Elements from one row of what lies there to the next.
  int64_t stride;
};

// Of x [M, K] by weight [K, O] into out [M, O]; an error, in the name of `op`, where these do not fit each other, or
// rows are not contiguous.
inline WeightLayout CheckOperands(const char* op, const at::Tensor& x, const at::Tensor& weight,
                                  const at::Tensor& out) {
  const bool transposed = weight.stride(0) == 1 && weight.stride(1) != 1;
  const bool fits = x.dim() == 2 && weight.dim() == 2 && out.dim() == 2 && x.size(1) == weight.size(0) &&
                    out.size(0) == x.size(0) && out.size(1) == weight.size(1) && x.stride(1) == 1 &&
                    out.stride(1) == 1 && (transposed || weight.stride(1) == 1);
  TORCH_CHECK(fits, op, ": x is ", x.sizes(), ", weight is ", weight.sizes(), ", out is ", out.sizes());
  return {transposed, transposed ? weight.stride(1) : weight.stride(0)};
}

}  // namespace ablate
