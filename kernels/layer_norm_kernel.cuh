// layer_norm on CUDA: the kernel and the shape of its launch. What it computes is in kernels/layer_norm.h; the launcher
// is kernels/layer_norm.cu.
//
// The work is moving memory: a row in, a row out, and the row again where `add` changes it. Hence:
// - a warp takes a row, so that its two sums need no barrier; lanes take packs of 16 bytes in turn;
// - a row stays in registers from its one read to its last write where it fits (D up to 2,048). Longer rows,
//   and such as are not aligned to packs, are read anew for each of the three passes, from the cache as a rule;
// - sums run over a lane's packs in order, then over the lanes: an order fixed by D and alignment.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/block_shape.h"
#include "kernels/device.cuh"
#include "kernels/layer_norm.h"

namespace ablate::kernels {

// A row of `packs` packs, of which a lane has kPacks at most, in registers.
template <int W, int kPacks>
class HeldRow {
 public:
  __device__ __forceinline__ HeldRow(const float* row, int32_t packs, int32_t lane) : packs_(packs), lane_(lane) {
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      if (lane + k * kWarpLanes < packs) held_[k] = LoadPack<float, W>(row, lane + k * kWarpLanes);
    }
  }

  // body(p, pack) for each pack of this lane.
  template <typename Body>
  __device__ __forceinline__ void ForEach(Body body) const {
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      if (lane_ + k * kWarpLanes < packs_) body(lane_ + k * kWarpLanes, held_[k]);
    }
  }

 private:
  Pack<float, W> held_[kPacks];
  int32_t packs_, lane_;
};

// The same of any length, in memory.
template <int W>
class HeldRow<W, 0> {
 public:
  __device__ __forceinline__ HeldRow(const float* row, int32_t packs, int32_t lane)
      : row_(row), packs_(packs), lane_(lane) {}

  template <typename Body>
  __device__ __forceinline__ void ForEach(Body body) const {
    for (int32_t p = lane_; p < packs_; p += kWarpLanes) body(p, LoadPack<float, W>(row_, p));
  }

 private:
  const float* row_;
  int32_t packs_, lane_;
};

// Where a row goes: as it is, or as bfloat16 into the first half of its place.
struct PutExact {
  template <int W>
  __device__ __forceinline__ void operator()(float* row, int32_t p, Pack<float, W> pack) const {
    StorePack<float, W>(row, p, pack);
  }
};

struct PutBf16 {
  template <int W>
  __device__ __forceinline__ void operator()(float* row, int32_t p, Pack<float, W> pack) const {
    Pack<uint16_t, W> rounded;
#pragma unroll
    for (int i = 0; i < W; ++i) rounded.element[i] = RoundToBf16(pack.element[i]);
    StorePack<uint16_t, W>(reinterpret_cast<uint16_t*>(row), p, rounded);
  }
};

// W divides D; where it is more than 1, every pointer is aligned to W elements. blockDim is {32, warps}.
template <int W, int kPacks, typename Put>
__global__ void __launch_bounds__(kWarpLanes* kMostRowWarps)
    LayerNormKernel(const LayerNormArgs<float> args, int64_t n_rows) {
  const auto lane = static_cast<int32_t>(threadIdx.x);
  const auto packs = static_cast<int32_t>(args.d_model / W);
  const auto size = static_cast<float>(args.d_model);
  const int64_t row_step = int64_t{gridDim.x} * blockDim.y;
  for (int64_t row = int64_t{blockIdx.x} * blockDim.y + threadIdx.y; row < n_rows; row += row_step) {
    float* const x = args.x + row * args.d_model;
    float* const out = args.out + row * args.d_model;
    const HeldRow<W, kPacks> held(x, packs, lane);
    float sum = 0;
    held.ForEach([&](int32_t, const Pack<float, W>& v) {
#pragma unroll
      for (int i = 0; i < W; ++i) sum += v.element[i];
    });
    const float mean = WarpSum(sum) / size;
    float squares = 0;
    held.ForEach([&](int32_t, const Pack<float, W>& v) {
#pragma unroll
      for (int i = 0; i < W; ++i) squares += (v.element[i] - mean) * (v.element[i] - mean);
    });
    const float inverse = 1.0F / sqrtf(WarpSum(squares) / size + args.epsilon);
    held.ForEach([&](int32_t p, const Pack<float, W>& v) {
      const auto gamma = LoadPack<float, W>(args.gamma, p);
      const auto beta = LoadPack<float, W>(args.beta, p);
      Pack<float, W> normed;
#pragma unroll
      for (int i = 0; i < W; ++i) {
        normed.element[i] = (v.element[i] - mean) * inverse * gamma.element[i] + beta.element[i];
      }
      Put()(out, p, normed);
      if (args.add == nullptr) return;
      auto added = LoadPack<float, W>(args.add, p);
#pragma unroll
      for (int i = 0; i < W; ++i) added.element[i] += v.element[i];
      StorePack<float, W>(x, p, added);
    });
  }
}

// Blocks of {32, warps} threads.
inline uint32_t LayerNormGrid(int64_t n_rows, BlockShape shape) {
  return GridOf((n_rows + shape.warps - 1) / shape.warps);
}

template <typename Put, typename Run>
auto WithLayerNormKernel(const LayerNormArgs<float>& args, Run run) {
  constexpr int kWidth = kPackBytes / static_cast<int>(sizeof(float));
  const float* const pointers[] = {args.x, args.gamma, args.beta, args.add, args.out};
  uintptr_t addresses = 0;
  for (const float* pointer : pointers) addresses |= reinterpret_cast<uintptr_t>(pointer);
  if (args.d_model % kWidth != 0 || addresses % kPackBytes != 0) return run(&LayerNormKernel<1, 0, Put>);
  const int64_t packs = args.d_model / kWidth;
  if (packs <= 2 * kWarpLanes) return run(&LayerNormKernel<kWidth, 2, Put>);
  if (packs <= 8 * kWarpLanes) return run(&LayerNormKernel<kWidth, 8, Put>);
  if (packs <= 16 * kWarpLanes) return run(&LayerNormKernel<kWidth, 16, Put>);
  return run(&LayerNormKernel<kWidth, 0, Put>);
}

// run(kernel) with the instance that these arguments need; gives what it gives. Precondition: CheckLayerNorm is empty.
template <typename Run>
auto WithLayerNormKernel(const LayerNormArgs<float>& args, Run run) {
  return args.rounds ? WithLayerNormKernel<PutBf16>(args, run) : WithLayerNormKernel<PutExact>(args, run);
}

}  // namespace ablate::kernels
