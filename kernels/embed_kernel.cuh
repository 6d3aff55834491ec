// embed on CUDA: the kernel and the shape of its launch. What it computes is in kernels/embed.h; the launcher is
// kernels/embed.cu. A warp takes a token.
#pragma once

#include <cstdint>

#include "kernels/device.cuh"
#include "kernels/embed.h"

namespace ablate::kernels {

constexpr int32_t kEmbedWarps = 4;

// W divides D; where it is more than 1, every pointer to float is aligned to W elements. blockDim is {32, kEmbedWarps}.
template <int W>
__global__ void __launch_bounds__(kWarpLanes* kEmbedWarps) EmbedKernel(const EmbedArgs args, int64_t n_tokens) {
  const auto packs = static_cast<int32_t>(args.d_model / W);
  const int64_t token_step = int64_t{gridDim.x} * kEmbedWarps;
  for (int64_t i = int64_t{blockIdx.x} * kEmbedWarps + threadIdx.y; i < n_tokens; i += token_step) {
    const int64_t token = int64_t{args.ids[i]} * packs, place = int64_t{args.positions[i]} * packs;
    // Unrolled four times it would spill, on some GPUs.
#pragma unroll 2
    for (auto p = static_cast<int32_t>(threadIdx.x); p < packs; p += kWarpLanes) {
      const auto a = LoadPack<float, W>(args.wte, token + p), b = LoadPack<float, W>(args.wpe, place + p);
      Pack<float, W> sum;
#pragma unroll
      for (int e = 0; e < W; ++e) sum.element[e] = a.element[e] + b.element[e];
      StorePack<float, W>(args.out, i * packs + p, sum);
    }
  }
}

inline uint32_t EmbedGrid(int64_t n_tokens) {
  return GridOf((n_tokens + kEmbedWarps - 1) / kEmbedWarps);
}

// run(kernel) with the instance that these arguments need; gives what it gives.
template <typename Run>
auto WithEmbedKernel(const EmbedArgs& args, Run run) {
  constexpr int kWidth = kPackBytes / static_cast<int>(sizeof(float));
  const auto addresses = reinterpret_cast<uintptr_t>(args.wte) | reinterpret_cast<uintptr_t>(args.wpe) |
                         reinterpret_cast<uintptr_t>(args.out);
  const bool is_aligned = args.d_model % kWidth == 0 && addresses % kPackBytes == 0;
  return is_aligned ? run(&EmbedKernel<kWidth>) : run(&EmbedKernel<1>);
}

}  // namespace ablate::kernels
