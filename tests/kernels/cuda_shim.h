// Test only: just enough of CUDA's device language for g++ to compile a kernel's own source and run it on the host,
// thread by thread. Include it before the .cuh, in a file compiled with -Wno-unknown-pragmas -ffp-contract=off. No
// shared memory, no barriers, no warp functions: a kernel that needs those needs another shim.
#pragma once

#include <cstdint>

// NOLINTBEGIN(bugprone-reserved-identifier): these are CUDA's own names.
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct ShimIndex {
  uint32_t x = 0, y = 0, z = 0;
};
inline thread_local ShimIndex threadIdx, blockIdx, blockDim, gridDim;

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
// NOLINTEND(bugprone-reserved-identifier)

namespace ablate::kernels {

// Which way blocks and their threads run: results must not depend on it.
enum class ShimOrder { kForward, kBackward };

// kernel() once for each thread of `grid` blocks of block_x x block_y threads.
template <typename Kernel>
void ShimLaunch(uint32_t grid, uint32_t block_x, uint32_t block_y, ShimOrder order, Kernel kernel) {
  gridDim = {grid, 1, 1};
  blockDim = {block_x, block_y, 1};
  const uint64_t block = uint64_t{block_x} * block_y, threads = grid * block;
  for (uint64_t i = 0; i < threads; ++i) {
    const uint64_t thread = order == ShimOrder::kForward ? i : threads - 1 - i;
    blockIdx = {static_cast<uint32_t>(thread / block), 0, 0};
    threadIdx = {static_cast<uint32_t>(thread % block % block_x), static_cast<uint32_t>(thread % block / block_x), 0};
    kernel();
  }
}

}  // namespace ablate::kernels
