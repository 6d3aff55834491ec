// One vector register of the instruction set that this file is compiled for. Included only by isa_kernels.cc, which is
// compiled once for each set: everything here and in the *_impl.h files lives in the namespace ABLATE_ISA and is
// inlined, so that no function compiled for a newer machine can be picked by the linker for an older one. For the same
// reason these files use no template or inline function of the standard library.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define ABLATE_INLINE inline __attribute__((always_inline))

namespace ablate::kernels::cpu::ABLATE_ISA {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
// The micro-kernels' tile: kQueries x kTileVectors accumulators, one row of loads and a broadcast fit the registers.
inline constexpr int kTileVectors = 4;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
inline constexpr int kTileVectors = 2;
#else
inline constexpr int kVectorBytes = 16;
inline constexpr int kTileVectors = 2;
#endif
inline constexpr int kQueries = 6;

// A number as a type, for a call that unrolls by it.
template <int n>
struct Int {
  static constexpr int value = n;
};

template <typename T>
struct IntegerOf;
template <>
struct IntegerOf<float> {
  using type = int32_t;
};
template <>
struct IntegerOf<double> {
  using type = int64_t;
};

// GCC's vector types: + - * / and comparisons work lane by lane; a comparison gives -1 or 0.
template <typename T>
struct Simd {
  static constexpr int kLanes = kVectorBytes / sizeof(T);
  using Integer = typename IntegerOf<T>::type;
  typedef T Vector __attribute__((vector_size(kVectorBytes)));
  typedef Integer Mask __attribute__((vector_size(kVectorBytes)));
};

template <typename T>
using Vector = typename Simd<T>::Vector;
template <typename T>
using Mask = typename Simd<T>::Mask;
template <typename T>
inline constexpr int kLanes = Simd<T>::kLanes;

template <typename T>
ABLATE_INLINE Vector<T> Set(T value) {
  return Vector<T>{} + value;
}

template <typename T>
ABLATE_INLINE Vector<T> Load(const T* from) {
  Vector<T> value;
  memcpy(&value, from, sizeof(value));
  return value;
}

template <typename T>
ABLATE_INLINE void Store(T* to, Vector<T> value) {
  memcpy(to, &value, sizeof(value));
}

// a * b + c, rounded once where the machine can.
template <typename T>
ABLATE_INLINE Vector<T> Fma(Vector<T> a, Vector<T> b, Vector<T> c) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return _mm512_fmadd_ps(a, b, c);
  } else {
    return _mm512_fmadd_pd(a, b, c);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    return _mm256_fmadd_ps(a, b, c);
  } else {
    return _mm256_fmadd_pd(a, b, c);
  }
#else
  return a * b + c;
#endif
}

template <typename T>
ABLATE_INLINE Vector<T> Select(Mask<T> mask, Vector<T> yes, Vector<T> no) {
  return mask ? yes : no;
}

// The second argument where either is NaN, as x86's own instruction does.
template <typename T>
ABLATE_INLINE Vector<T> Max(Vector<T> a, Vector<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return _mm512_max_ps(a, b);
  } else {
    return _mm512_max_pd(a, b);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    return _mm256_max_ps(a, b);
  } else {
    return _mm256_max_pd(a, b);
  }
#else
  return Select<T>(a > b, a, b);
#endif
}

template <typename T>
ABLATE_INLINE Vector<T> Min(Vector<T> a, Vector<T> b) {
  return Select<T>(a < b, a, b);
}

template <typename T>
ABLATE_INLINE Mask<T> LaneNumbers() {
  Mask<T> numbers;
  for (int i = 0; i < kLanes<T>; ++i) numbers[i] = i;
  return numbers;
}

// The first n lanes of value, `fill` in the others; 0 <= n.
template <typename T>
ABLATE_INLINE Vector<T> KeepFirst(Vector<T> value, int64_t n, Vector<T> fill) {
  using Integer = typename Simd<T>::Integer;
  const auto limit = static_cast<Integer>(n < kLanes<T> ? n : kLanes<T>);
  return Select<T>(LaneNumbers<T>() < limit, value, fill);
}

// Reads and writes n < kLanes elements.
template <typename T>
ABLATE_INLINE Vector<T> LoadFirst(const T* from, int64_t n, T fill) {
  T lanes[kLanes<T>];
  for (int i = 0; i < kLanes<T>; ++i) lanes[i] = i < n ? from[i] : fill;
  return Load<T>(lanes);
}

template <typename T>
ABLATE_INLINE void StoreFirst(T* to, Vector<T> value, int64_t n) {
  T lanes[kLanes<T>];
  Store<T>(lanes, value);
  for (int64_t i = 0; i < n; ++i) to[i] = lanes[i];
}

template <typename T>
ABLATE_INLINE bool All(Mask<T> mask) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask)) == 0xFFFF;
  } else {
    return _mm512_movepi64_mask(reinterpret_cast<__m512i>(mask)) == 0xFF;
  }
#elif defined(__AVX2__)
  return _mm256_movemask_epi8(reinterpret_cast<__m256i>(mask)) == -1;
#else
  bool all = true;
  for (int i = 0; i < kLanes<T>; ++i) all &= mask[i] != 0;
  return all;
#endif
}

// Lanes in a fixed tree: lane i with lane i + half.
template <typename T>
ABLATE_INLINE T Sum(Vector<T> value) {
  T lanes[kLanes<T>];
  Store<T>(lanes, value);
  for (int half = kLanes<T> / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// NaN lanes may be lost: callers see NaN by other means.
template <typename T>
ABLATE_INLINE T Largest(Vector<T> value) {
  T lanes[kLanes<T>];
  Store<T>(lanes, value);
  for (int half = kLanes<T> / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = lanes[i + half] > lanes[i] ? lanes[i + half] : lanes[i];
  }
  return lanes[0];
}

}  // namespace ablate::kernels::cpu::ABLATE_ISA
