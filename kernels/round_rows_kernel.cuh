// round_rows on CUDA: the kernel and the shape of its launch. What it computes is in kernels/round_rows.h; the launcher
// is kernels/round_rows.cu.
//
// A warp takes a row, from its front to its back, so that what it writes lies in front of all that it has yet to read.
#pragma once

#include <cstdint>

#include "kernels/block_shape.h"
#include "kernels/device.cuh"
#include "kernels/round_rows.h"

namespace ablate::kernels {

// W divides D; where it is more than 1, x is aligned to W elements. blockDim is {32, warps}.
template <int W>
__global__ void __launch_bounds__(kWarpLanes* kMostRowWarps) RoundRowsKernel(const RoundRowsArgs args, int64_t n_rows) {
  const int64_t packs = args.d / W;
  const int64_t row_step = int64_t{gridDim.x} * blockDim.y;
  for (int64_t row = int64_t{blockIdx.x} * blockDim.y + threadIdx.y; row < n_rows; row += row_step) {
    float* const x = args.x + row * args.d;
    for (int64_t first = 0; first < packs; first += kWarpLanes) {
      const int64_t p = first + threadIdx.x;
      Pack<uint16_t, W> rounded = {};
      if (p < packs) {
        const auto pack = LoadPack<float, W>(x, p);
#pragma unroll
        for (int i = 0; i < W; ++i) rounded.element[i] = RoundToBf16(pack.element[i]);
      }
      // All have read what the first of them overwrite.
      __syncwarp();
      if (p < packs) StorePack<uint16_t, W>(reinterpret_cast<uint16_t*>(x), p, rounded);
    }
  }
}

inline uint32_t RoundRowsGrid(int64_t n_rows, BlockShape shape) {
  return GridOf((n_rows + shape.warps - 1) / shape.warps);
}

// run(kernel) with the instance that these arguments need; gives what it gives.
template <typename Run>
auto WithRoundRowsKernel(const RoundRowsArgs& args, Run run) {
  constexpr int kWidth = kPackBytes / static_cast<int>(sizeof(float));
  const bool is_aligned = args.d % kWidth == 0 && reinterpret_cast<uintptr_t>(args.x) % kPackBytes == 0;
  return is_aligned ? run(&RoundRowsKernel<kWidth>) : run(&RoundRowsKernel<1>);
}

}  // namespace ablate::kernels
