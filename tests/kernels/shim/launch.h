// Test only: runs a CUDA kernel's own source on the host, a block at a time, each of its threads as a fiber. A fiber
// runs until it meets a barrier or a warp function; which goes on is drawn by a seed, so that what a kernel forgets to
// order comes out in some order or other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace ablate::shim {

inline constexpr uint32_t kWarpSize = 32;

// CUDA's dim3 and uint3.
struct Index3 {
  uint32_t x = 1, y = 1, z = 1;
};

struct LaunchShape {
  Index3 grid = {}, block = {};
  // Dynamic shared memory of a block.
  size_t shared_bytes = 0;
};

// Runs `kernel` once for each thread of the grid; blocks, too, come in an order drawn by `seed`. Returns what went
// wrong, or nothing: threads that wait for others that never come, barriers at different places, shared memory written
// beyond its end. The rest of the grid does not run then. `kernel` must not throw.
//
// A block's shared memory begins as NaN (all bits set), and so do the 256 bytes before and behind it: what reads there,
// or reads what nobody wrote, gets NaN.
std::string Launch(const LaunchShape& shape, uint32_t seed, const std::function<void()>& kernel);

// The rest is for the running thread: what the device's language (device_language.h) is made of.

struct ThreadPlace {
  Index3 thread, block, block_dim, grid_dim;
};
const ThreadPlace& Here();

// The block's dynamic shared memory, aligned to 16 bytes.
void* SharedMemory();

// Where in the source; two calls at one place are the same barrier.
struct Place {
  const char* file;
  int line;
};

// Waits until all threads of the block are here.
void WaitForBlock(Place place);

// Waits until the warp's lanes of `mask` are here, each with its value, and gives those of all; 0 for lanes that `mask`
// does not name. The caller's lane is one of them.
const std::array<uint64_t, kWarpSize>& Exchange(Place place, uint32_t mask, uint64_t value);

// In the warp: (x + y * blockDim.x + ...) % 32.
uint32_t Lane();

}  // namespace ablate::shim
