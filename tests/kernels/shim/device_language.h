// Test only: CUDA's device language, as far as our kernels use it, for g++ to compile a kernel's own source
// (kernels/*_kernel.cuh) and run it through launch.h. Include it before the .cuh, in a file compiled with
// -Wno-unknown-pragmas -ffp-contract=off. Only what a single instruction stream can mean: no tensor cores, no PTX.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "tests/kernels/shim/launch.h"

// NOLINTBEGIN(bugprone-reserved-identifier): these are CUDA's own names.
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

#define ABLATE_SHARED_MEMORY(T, name) T* const name = static_cast<T*>(::ablate::shim::SharedMemory())

#define threadIdx (::ablate::shim::Here().thread)
#define blockIdx (::ablate::shim::Here().block)
#define blockDim (::ablate::shim::Here().block_dim)
#define gridDim (::ablate::shim::Here().grid_dim)

#define __syncthreads() ::ablate::shim::WaitForBlock({__FILE__, __LINE__})
#define __syncwarp() ::ablate::shim::Exchange({__FILE__, __LINE__}, ~0U, 0)
#define __shfl_sync(mask, value, lane) ::ablate::shim::Shuffle({__FILE__, __LINE__}, mask, value, lane)
#define __shfl_xor_sync(mask, value, bits) \
  ::ablate::shim::Shuffle({__FILE__, __LINE__}, mask, value, ::ablate::shim::Lane() ^ static_cast<uint32_t>(bits))
#define __ballot_sync(mask, predicate) ::ablate::shim::Ballot({__FILE__, __LINE__}, mask, predicate)

inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline double __dmul_rn(double a, double b) {
  return a * b;
}
inline double __dadd_rn(double a, double b) {
  return a + b;
}
inline uint32_t __float_as_uint(float value) {
  return std::bit_cast<uint32_t>(value);
}
// Fibers take turns: nothing comes between.
template <typename T>
T atomicAdd(T* to, T value) {
  const T before = *to;
  *to = before + value;
  return before;
}
inline int32_t min(int32_t a, int32_t b) {
  return std::min(a, b);
}
inline int __popc(uint32_t bits) {
  return std::popcount(bits);
}
// NOLINTEND(bugprone-reserved-identifier)

namespace ablate::shim {

template <typename T>
T Shuffle(Place place, uint32_t mask, T value, uint32_t lane) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = Exchange(place, mask, bits)[lane % kWarpSize];
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

inline uint32_t Ballot(Place place, uint32_t mask, bool predicate) {
  const auto& votes = Exchange(place, mask, predicate ? 1 : 0);
  uint32_t ballot = 0;
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) ballot |= static_cast<uint32_t>(votes[lane]) << lane;
  return ballot;
}

}  // namespace ablate::shim
