// One row at a time, which stays in the L1 cache for the three passes: mean, variance, output. Sums run in kChains
// vectors, so that additions overlap; element i always meets the same lane of the same vector.
#pragma once

#include <math.h>

#include "kernels/cpu/layer_norm.h"
#include "kernels/cpu/row_out.h"
#include "kernels/cpu/simd.h"

namespace ablate::kernels::cpu::ABLATE_ISA {

// sum over i of term(x[i]) for i in [0, n).
template <typename T, typename Term>
ABLATE_INLINE T SumOf(const T* x, int64_t n, Term term) {
  constexpr int kChains = 4;
  Vector<T> sums[kChains] = {};
  int64_t i = 0;
  for (; i + kChains * kLanes<T> <= n; i += kChains * kLanes<T>) {
    for (int c = 0; c < kChains; ++c) sums[c] += term(Load<T>(x + i + c * kLanes<T>));
  }
  for (; i + kLanes<T> <= n; i += kLanes<T>) sums[0] += term(Load<T>(x + i));
  if (i < n) sums[1] += KeepFirst<T>(term(LoadFirst<T>(x + i, n - i, T{0})), n - i, Vector<T>{});
  return Sum<T>((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <typename T, typename Out>
ABLATE_INLINE void LayerNormRow(const LayerNormArgs<T>& args, int64_t row) {
  const int64_t d = args.d_model;
  T* x = args.x + row * d;
  const Out out = {args.out + row * d};
  const T mean = SumOf<T>(x, d, [](Vector<T> v) { return v; }) / static_cast<T>(d);
  const Vector<T> means = Set<T>(mean);
  const T variance = SumOf<T>(x, d, [&](Vector<T> v) { return (v - means) * (v - means); }) / static_cast<T>(d);
  const Vector<T> inverse = Set<T>(static_cast<T>(1) / static_cast<T>(__builtin_sqrt(variance + args.epsilon)));
  const auto normalised = [&](Vector<T> v, Vector<T> gamma, Vector<T> beta) {
    return Fma<T>((v - means) * inverse, gamma, beta);
  };
  int64_t i = 0;
  for (; i + kLanes<T> <= d; i += kLanes<T>) {
    const Vector<T> v = Load<T>(x + i);
    out.Put(i, normalised(v, Load<T>(args.gamma + i), Load<T>(args.beta + i)));
    if (args.add != nullptr) Store<T>(x + i, v + Load<T>(args.add + i));
  }
  if (i == d) return;
  const int64_t rest = d - i;
  const Vector<T> v = LoadFirst<T>(x + i, rest, T{0});
  out.PutFirst(i, normalised(v, LoadFirst<T>(args.gamma + i, rest, T{0}), LoadFirst<T>(args.beta + i, rest, T{0})),
               rest);
  if (args.add != nullptr) StoreFirst<T>(x + i, v + LoadFirst<T>(args.add + i, rest, T{0}), rest);
}

template <typename T>
void LayerNormRows(const LayerNormArgs<T>& args, int64_t row_begin, int64_t row_end) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (args.rounds) {
      for (int64_t row = row_begin; row < row_end; ++row) LayerNormRow<T, RoundedRow>(args, row);
      return;
    }
  }
  for (int64_t row = row_begin; row < row_end; ++row) LayerNormRow<T, ExactRow<T>>(args, row);
}

}  // namespace ablate::kernels::cpu::ABLATE_ISA
