// The epilogue of the MLP's first GEMM on the CPU: x = gelu_tanh(x + bias) in place, with
// gelu_tanh(x) = 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), GPT-2's `gelu_new`.
#pragma once

#include <cstdint>

namespace ablate::kernels::cpu {

template <typename T>
struct BiasGeluArgs {
  T* x = nullptr;           // [M, Dm]
  const T* bias = nullptr;  // [Dm]
  int64_t d_mlp = 0;        // Dm
  // Write bfloat16, rounded to nearest even, into the first half of each row. float only.
  bool rounds = false;
};

// Rows [row_begin, row_end) of the M. Ranges may run at once in several threads.
template <typename T>
void BiasGeluTanh(const BiasGeluArgs<T>& args, int64_t row_begin, int64_t row_end);

extern template void BiasGeluTanh<float>(const BiasGeluArgs<float>&, int64_t, int64_t);
extern template void BiasGeluTanh<double>(const BiasGeluArgs<double>&, int64_t, int64_t);

}  // namespace ablate::kernels::cpu
