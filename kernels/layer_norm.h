// layer_norm: out = (x - mean) / sqrt(variance + eps) * gamma + beta for each row of D, with the variance over D (not
// D - 1) from a second pass (HF's GPT-2: torch.nn.LayerNorm; Ba et al., arXiv 1607.06450). Statistics run in an order
// fixed by D alone.
#pragma once

#include <cstdint>

namespace ablate::kernels {

template <typename T>
struct LayerNormArgs {
  T* x = nullptr;            // [M, D]; written only where `add` is set
  const T* gamma = nullptr;  // [D]
  const T* beta = nullptr;   // [D]
  // [D], or null. Added to x in place after the row was read: the bias of the GEMM that accumulates onto x behind this.
  const T* add = nullptr;
  T epsilon = 0;
  T* out = nullptr;     // [M, D], not x
  int64_t d_model = 0;  // D
  // Write bfloat16, rounded to nearest even, into the first half of each row of `out`. float only.
  bool rounds = false;
};

}  // namespace ablate::kernels
