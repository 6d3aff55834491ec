// gemm: out = x W, with what may follow it in the same pass. By cuBLASLt on CUDA (kernels/gemm_cublaslt.h).
#pragma once

#include <cstdint>

namespace ablate::kernels {

// What the factors are and how they meet. Sums are float32 in each.
enum class GemmPrecision {
  kFloat32,  // float32 factors; no TF32 anywhere
  kTf32,     // float32 factors, of which the tensor cores read 10 bits of fraction
  kBf16,     // bfloat16 factors
};

enum class GemmEpilogue {
  kNone,      // out = x W
  kGeluTanh,  // out = gelu_tanh(x W + bias), GPT-2's `gelu_new`
  kAddTo,     // out += x W
};

// Strides are elements from one row to the next, at least a row's length. Pointers are to the device's memory.
struct GemmArgs {
  const void* x = nullptr;       // [M, K] of the factors' type
  const void* weight = nullptr;  // [K, O], or [O, K] where weight_is_transposed
  const float* bias = nullptr;   // [O], for kGeluTanh alone
  float* out = nullptr;          // [M, O]
  int64_t m = 0, k = 0, n = 0;   // M, K, O
  int64_t x_stride = 0, weight_stride = 0, out_stride = 0;
  bool weight_is_transposed = false;
  GemmPrecision precision = GemmPrecision::kFloat32;
  GemmEpilogue epilogue = GemmEpilogue::kNone;
  // A row of `out` has the same bits whatever M is: one algorithm for all M, which sums over K in one go.
  bool batch_invariant = false;
};

}  // namespace ablate::kernels
