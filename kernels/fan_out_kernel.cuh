// fan_out on CUDA: the kernel and the shape of its launch. What it computes is in kernels/fan_out.h; the launcher is
// kernels/fan_out.cu.
//
// The work is moving memory: 2 D elements in and 2 D out for each token. Hence:
// - a thread moves packs of 16 bytes (W elements) where head size and pointers allow, else single elements (W = 1);
//   a pack never crosses a head's edge, so one edit at most concerns it;
// - blockDim.x threads walk the packs of one token, neighbours side by side; blockDim.y tokens share a block, so that
//   small models fill it too; blocks stride over the tokens, so any M fits any grid;
// - a thread issues its loads before its stores: without knowing that outputs alias no input the compiler could not;
// - token tables and edits are the same for all threads of a token, so they come from L1 after the first.
#pragma once

#include <cstdint>

#include "kernels/block_shape.h"
#include "kernels/device.cuh"
#include "kernels/fan_out.h"

namespace ablate::kernels {

// Rounded one by one: the compiler must not fuse them, since the reference does not.
__device__ __forceinline__ float RoundedProduct(float a, float b) {
  return __fmul_rn(a, b);
}
__device__ __forceinline__ double RoundedProduct(double a, double b) {
  return __dmul_rn(a, b);
}
__device__ __forceinline__ float RoundedSum(float a, float b) {
  return __fadd_rn(a, b);
}
__device__ __forceinline__ double RoundedSum(double a, double b) {
  return __dadd_rn(a, b);
}

template <typename T, int W>
__device__ __forceinline__ Pack<T, W> AddPacks(Pack<T, W> a, Pack<T, W> b) {
#pragma unroll
  for (int i = 0; i < W; ++i) a.element[i] = RoundedSum(a.element[i], b.element[i]);
  return a;
}

// The last edit in [begin, end) that concerns this head and position; -1: none.
__device__ __forceinline__ int32_t FindEdit(const HeadEdit* edits, int32_t begin, int32_t end, int32_t head,
                                            int32_t position) {
  for (int32_t e = end - 1; e >= begin; --e) {
    if (edits[e].head == head && edits[e].first_position <= position && position < edits[e].end_position) return e;
  }
  return -1;
}

// Pack `p` of a token's heads (pack `p_head` of its head) under an edit.
template <typename T, int W>
__device__ __forceinline__ Pack<T, W> EditedPack(const FanOutArgs<T>& args, HeadEdit edit, int64_t source,
                                                 int64_t position, int32_t packs, int32_t p, int32_t p_head) {
  Pack<T, W> value = {};
  if (edit.scale != 0.0F) {
    value = LoadPack<T, W>(args.z, (edit.source_first < 0 ? source : edit.source_first + position) * packs + p);
#pragma unroll
    for (int i = 0; i < W; ++i) value.element[i] = RoundedProduct(static_cast<T>(edit.scale), value.element[i]);
  }
  if (edit.entry < 0) return value;
  const auto entry =
      LoadPack<T, W>(args.table, (edit.entry + edit.entry_stride * position) * (args.d_head / W) + p_head);
  return edit.scale == 0.0F ? entry : AddPacks<T, W>(value, entry);
}

// W divides d_head; where it is more than 1, every pointer to T is aligned to W elements.
template <typename T, int W>
__global__ void __launch_bounds__(kMostFanOutWarps* kWarpLanes) FanOutKernel(const FanOutArgs<T> args) {
  const int32_t packs_of_head = args.d_head / W;
  const int32_t packs = args.n_heads * packs_of_head;  // D / W
  const int64_t token_step = int64_t{gridDim.x} * blockDim.y;
  for (int64_t m = int64_t{blockIdx.x} * blockDim.y + threadIdx.y; m < args.n_tokens_out; m += token_step) {
    const int64_t source = args.source_token[m];
    const int32_t position = args.position[m];
    const int32_t row = args.row[m];
    const int32_t edit_begin = args.row_edit_begin[row];
    const int32_t edit_end = args.row_edit_begin[row + 1];
    for (int32_t p = static_cast<int32_t>(threadIdx.x); p < packs; p += static_cast<int32_t>(blockDim.x)) {
      const auto x = LoadPack<T, W>(args.x, source * packs + p);
      const auto bias = LoadPack<T, W>(args.bias, p);
      const int32_t head = p / packs_of_head;
      const int32_t e = FindEdit(args.edits, edit_begin, edit_end, head, position);
      const auto z = e < 0
                         ? LoadPack<T, W>(args.z, source * packs + p)
                         : EditedPack<T, W>(args, args.edits[e], source, position, packs, p, p - head * packs_of_head);
      StorePack<T, W>(args.x_out, m * packs + p, AddPacks<T, W>(x, bias));
      StorePack<T, W>(args.z_out, m * packs + p, z);
    }
  }
}

// How one launch is cut.
struct FanOutShape {
  // Elements of an access: the W of the kernel.
  int32_t width = 1;
  // Threads along a token's packs, and tokens, of a block.
  uint32_t block_x = 1, block_y = 1;
  uint32_t grid = 1;
};

// Preconditions: CheckFanOut(args) is empty and n_tokens_out is not 0.
template <typename T>
FanOutShape ShapeFanOut(const FanOutArgs<T>& args, BlockShape block) {
  constexpr int32_t kWidth = kPackBytes / static_cast<int32_t>(sizeof(T));
  const T* const pointers[] = {args.x, args.z, args.bias, args.table, args.x_out, args.z_out};
  uintptr_t addresses = 0;
  for (const T* pointer : pointers) addresses |= reinterpret_cast<uintptr_t>(pointer);
  FanOutShape shape;
  if (args.d_head % kWidth == 0 && addresses % kPackBytes == 0) shape.width = kWidth;

  // Whole warps, as even as they go over the passes that a token needs: 400 packs are two passes of 224, not 256 and
  // 144.
  const int64_t packs = int64_t{args.n_heads} * (args.d_head / shape.width);
  const int64_t most = int64_t{block.warps} * kWarpLanes;
  const int64_t passes = (packs + most - 1) / most;
  const int64_t threads = (packs + passes - 1) / passes;
  shape.block_x = static_cast<uint32_t>((threads + kWarpLanes - 1) / kWarpLanes * kWarpLanes);
  shape.block_y = static_cast<uint32_t>(most) / shape.block_x;
  const int64_t blocks = (args.n_tokens_out + shape.block_y - 1) / shape.block_y;
  shape.grid = GridOf(blocks);
  return shape;
}

}  // namespace ablate::kernels
