// Where a kernel's row goes: as it is, or rounded to bfloat16 into the first half of the row's own place.
#pragma once

#include "kernels/cpu/simd.h"

namespace ablate::kernels::cpu::ABLATE_ISA {

template <typename T>
struct ExactRow {
  T* to;

  ABLATE_INLINE void Put(int64_t i, Vector<T> value) const { Store<T>(to + i, value); }
  ABLATE_INLINE void PutFirst(int64_t i, Vector<T> value, int64_t n) const { StoreFirst<T>(to + i, value, n); }
};

typedef uint16_t Bf16Vector __attribute__((vector_size(kVectorBytes / 2)));

// The upper halves of the floats, rounded to nearest, ties to even; NaN stays NaN, and what rounds beyond the largest
// is Inf.
ABLATE_INLINE Bf16Vector RoundToBf16(Vector<float> value) {
  Mask<float> bits;
  memcpy(&bits, &value, sizeof(bits));
  // Through unsigned lanes, so that carries and shifts are defined.
  typedef uint32_t Unsigned __attribute__((vector_size(kVectorBytes)));
  const Unsigned raw = reinterpret_cast<Unsigned>(bits);
  const Unsigned rounded = (raw + 0x7FFFU + ((raw >> 16U) & 1U)) >> 16U;
  const Unsigned quiet = (raw >> 16U) | 0x40U;
  const Mask<float> is_nan = value != value;
  return __builtin_convertvector(is_nan ? quiet : rounded, Bf16Vector);
}

struct RoundedRow {
  float* to;

  ABLATE_INLINE void Put(int64_t i, Vector<float> value) const {
    const Bf16Vector rounded = RoundToBf16(value);
    memcpy(reinterpret_cast<uint16_t*>(to) + i, &rounded, sizeof(rounded));
  }
  ABLATE_INLINE void PutFirst(int64_t i, Vector<float> value, int64_t n) const {
    const Bf16Vector rounded = RoundToBf16(value);
    uint16_t lanes[kLanes<float>];
    memcpy(lanes, &rounded, sizeof(rounded));
    memcpy(reinterpret_cast<uint16_t*>(to) + i, lanes, static_cast<size_t>(n) * sizeof(uint16_t));
  }
};

}  // namespace ablate::kernels::cpu::ABLATE_ISA
