// What kernels share on the device: packs that move in one access, reductions over a warp, rounding. Kernels are
// written in headers without launch syntax, so that a test compiles their very source for the host
// (tests/kernels/shim/device_language.h).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

// A block's dynamic shared memory as an array of T, aligned to 16 bytes. The shim has its own.
#if !defined(ABLATE_SHARED_MEMORY)
#define ABLATE_SHARED_MEMORY(T, name)                            \
  extern __shared__ __align__(16) unsigned char ablate_shared[]; \
  T* const name = reinterpret_cast<T*>(ablate_shared)
#endif

namespace ablate::kernels {

// The grid for so many blocks: at most what CUDA numbers on its x axis, and kernels stride over the rest.
inline uint32_t GridOf(int64_t blocks) {
  return static_cast<uint32_t>(std::min<int64_t>(blocks, std::numeric_limits<int32_t>::max()));
}

constexpr int32_t kWarpLanes = 32;
constexpr uint32_t kAllLanes = 0xFFFFFFFFU;
// The widest access.
constexpr int kPackBytes = 16;

// W elements that move in one access.
template <typename T, int W>
struct alignas(W * sizeof(T)) Pack {
  T element[W];
};

// Pack `p` of an array whose start is aligned to a pack.
template <typename T, int W>
__device__ __forceinline__ Pack<T, W> LoadPack(const T* array, int64_t p) {
  return reinterpret_cast<const Pack<T, W>*>(array)[p];
}

template <typename T, int W>
__device__ __forceinline__ void StorePack(T* array, int64_t p, Pack<T, W> pack) {
  reinterpret_cast<Pack<T, W>*>(array)[p] = pack;
}

// The sum over the lanes of a warp, the same bits in each: in every step two lanes add the same two numbers.
template <typename T>
__device__ __forceinline__ T WarpSum(T value) {
#pragma unroll
  for (int32_t bits = kWarpLanes / 2; bits > 0; bits /= 2) value += __shfl_xor_sync(kAllLanes, value, bits);
  return value;
}

// The largest over the lanes of a warp, in each; NaN only where all are.
__device__ __forceinline__ float WarpMax(float value) {
#pragma unroll
  for (int32_t bits = kWarpLanes / 2; bits > 0; bits /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, bits));
  }
  return value;
}

// To nearest, ties to even; NaN stays NaN, and what rounds beyond the largest is Inf. The upper half of a float's bits.
__device__ __forceinline__ uint16_t RoundToBf16(float value) {
  const uint32_t bits = __float_as_uint(value);
  const uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U;
  const uint32_t quiet = (bits >> 16U) | 0x40U;
  return static_cast<uint16_t>(value != value ? quiet : rounded);
}

}  // namespace ablate::kernels
