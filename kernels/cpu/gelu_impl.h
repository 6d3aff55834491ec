// gelu_tanh(x) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3): the same function as 0.5 x (1 + tanh(u)),
// without the cancellation of 1 + tanh(u) for negative x.
#pragma once

#include "kernels/cpu/exp_impl.h"
#include "kernels/cpu/gelu.h"
#include "kernels/cpu/row_out.h"

namespace ablate::kernels::cpu::ABLATE_ISA {

template <typename T>
ABLATE_INLINE Vector<T> GeluTanh(Vector<T> x) {
  constexpr double kRoot = 0.79788456080286535588;  // sqrt(2 / pi)
  const Vector<T> inner =
      Fma<T>(x * x, Set<T>(static_cast<T>(-2 * kRoot * 0.044715)), Set<T>(static_cast<T>(-2 * kRoot)));
  // exp stays finite: x / (1 + e^88) is below 1e-32 for any x that a model has, and -Inf stays -Inf.
  const Vector<T> power = Min<T>(Set<T>(static_cast<T>(88)), x * inner);
  return x / (Exp(power) + static_cast<T>(1));
}

template <typename T, typename Out>
ABLATE_INLINE void BiasGeluInto(const BiasGeluArgs<T>& args, int64_t row_begin, int64_t row_end) {
  const int64_t d = args.d_mlp;
  const int64_t whole = d - d % kLanes<T>;
  for (int64_t row = row_begin; row < row_end; ++row) {
    const T* x = args.x + row * d;
    // In place: half as wide at most, it never overtakes what is read.
    const Out out = {args.x + row * d};
    for (int64_t i = 0; i < whole; i += kLanes<T>) out.Put(i, GeluTanh<T>(Load<T>(x + i) + Load<T>(args.bias + i)));
    if (whole < d) {
      const int64_t rest = d - whole;
      const Vector<T> tail = LoadFirst<T>(x + whole, rest, T{0}) + LoadFirst<T>(args.bias + whole, rest, T{0});
      out.PutFirst(whole, GeluTanh<T>(tail), rest);
    }
  }
}

template <typename T>
void BiasGelu(const BiasGeluArgs<T>& args, int64_t row_begin, int64_t row_end) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (args.rounds) return BiasGeluInto<T, RoundedRow>(args, row_begin, row_end);
  }
  BiasGeluInto<T, ExactRow<T>>(args, row_begin, row_end);
}

}  // namespace ablate::kernels::cpu::ABLATE_ISA
