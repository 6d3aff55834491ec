// attend on CUDA: the kernel and the shape of its launch. What it computes is in kernels/attend.h; the launcher is
// kernels/attend.cu.
//
// Made for many short rows, of any length: no padding, no mask in memory, online softmax (Milakov and Gimelshein, arXiv
// 1805.02867).
// - A block takes one head of one row, kAttendGroup of its queries at a time, and walks the keys in tiles of a warp's
//   width; a tile's keys and values lie in shared memory for all of these queries.
// - A warp takes kAttendQueries of them: lane j has the score of the tile's key j, and, for the sum of values, the
//   elements j, j + 32, ... of the head.
// - Tiles begin at multiples of 32 positions whatever the row's `begin`, so that a query's sums run in an order that
//   its position alone fixes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/attend.h"
#include "kernels/device.cuh"

namespace ablate::kernels {

constexpr int32_t kAttendWarps = 4;
// Of one warp, and of a block.
constexpr int32_t kAttendQueries = 4;
constexpr int32_t kAttendGroup = kAttendWarps * kAttendQueries;
constexpr int32_t kAttendTile = kWarpLanes;

// Elements from one key of a tile to the next: lanes read the same column of different keys, from different banks.
template <int W>
__host__ __device__ constexpr int32_t AttendKeyStride(int32_t d_head) {
  return W == 1 ? d_head | 1 : d_head + W;
}

// A block's shared memory.
template <int W>
struct AttendShared {
  __device__ AttendShared(float* memory, int32_t d_head)
      : keys(memory), values(keys + kAttendTile * AttendKeyStride<W>(d_head)), queries(values + kAttendTile * d_head) {}

  float* keys;     // [tile, key stride]
  float* values;   // [tile, Dh]
  float* queries;  // [group, Dh], with their bias
};

// Packed token of a position of the row.
__device__ __forceinline__ int64_t AttendToken(const AttendRow& row, int32_t position) {
  return position < row.begin ? int64_t{row.baseline_first} + position
                              : int64_t{row.first_token} + position - row.begin;
}

// q (0), k (1) or v (2) of a token's head.
__device__ __forceinline__ const float* AttendPart(const AttendArgs<float>& args, int64_t token, int32_t part,
                                                   int32_t head) {
  return args.qkv + ((token * 3 + part) * args.n_heads + head) * args.d_head;
}

template <int W>
__device__ __forceinline__ void LoadQueries(const AttendArgs<float>& args, const AttendRow& row, int32_t head,
                                            int32_t first, int32_t count, int32_t thread, AttendShared<W> shared) {
  const int32_t packs = args.d_head / W;
  const float* const bias = args.bias + int64_t{head} * args.d_head;
  for (int32_t i = thread; i < count * packs; i += kAttendWarps * kWarpLanes) {
    const int32_t query = i / packs, p = i % packs;
    auto pack = LoadPack<float, W>(AttendPart(args, AttendToken(row, first + query), 0, head), p);
    const auto add = LoadPack<float, W>(bias, p);
#pragma unroll
    for (int e = 0; e < W; ++e) pack.element[e] += add.element[e];
    StorePack<float, W>(shared.queries + query * args.d_head, p, pack);
  }
}

template <int W>
__device__ __forceinline__ void LoadTile(const AttendArgs<float>& args, const AttendRow& row, int32_t head,
                                         int32_t first, int32_t count, int32_t thread, AttendShared<W> shared) {
  const int32_t packs = args.d_head / W;
  for (int32_t i = thread; i < count * packs; i += kAttendWarps * kWarpLanes) {
    const int32_t key = i / packs, p = i % packs;
    const int64_t token = AttendToken(row, first + key);
    StorePack<float, W>(shared.keys + key * AttendKeyStride<W>(args.d_head), p,
                        LoadPack<float, W>(AttendPart(args, token, 1, head), p));
    StorePack<float, W>(shared.values + key * args.d_head, p, LoadPack<float, W>(AttendPart(args, token, 2, head), p));
  }
}

// What a warp knows of one query so far.
template <int kDims>
struct AttendState {
  float largest = -INFINITY;
  float sum = 0;
  float values[kDims] = {};  // of elements lane, lane + 32, ... of the head

  // Takes a tile's first `n_keys`, of which this lane has key `lane`'s score.
  __device__ __forceinline__ void Take(float score, int32_t n_keys, const float* tile_values, int32_t d_head,
                                       int32_t lane) {
    if (lane >= n_keys) score = -INFINITY;
    const float now = fmaxf(largest, WarpMax(score));
    const float kept = expf(largest - now);
    const float weight = lane < n_keys ? expf(score - now) : 0.0F;
    largest = now;
    sum = sum * kept + WarpSum(weight);
#pragma unroll
    for (int d = 0; d < kDims; ++d) values[d] *= kept;
    for (int32_t j = 0; j < n_keys; ++j) {
      const float w = __shfl_sync(kAllLanes, weight, j);
#pragma unroll
      for (int d = 0; d < kDims; ++d) {
        const int32_t i = lane + d * kWarpLanes;
        if (i < d_head) values[d] += w * tile_values[j * d_head + i];
      }
    }
  }
};

// W divides Dh; where it is more than 1, qkv and bias are aligned to W elements. Dh is at most 32 kDims. blockDim is
// {32, kAttendWarps}, shared memory AttendSharedBytes.
template <int W, int kDims>
__global__ void __launch_bounds__(kAttendWarps* kWarpLanes) AttendKernel(const AttendArgs<float> args, int64_t n_rows) {
  ABLATE_SHARED_MEMORY(float, memory);
  const AttendShared<W> shared(memory, args.d_head);
  const auto lane = static_cast<int32_t>(threadIdx.x), warp = static_cast<int32_t>(threadIdx.y);
  const int32_t thread = warp * kWarpLanes + lane, packs = args.d_head / W;
  for (int64_t task = blockIdx.x; task < n_rows * args.n_heads; task += gridDim.x) {
    const AttendRow row = args.rows[task / args.n_heads];
    const auto head = static_cast<int32_t>(task % args.n_heads);
    for (int32_t first = row.begin; first < row.end; first += kAttendGroup) {
      const int32_t n_queries = min(kAttendGroup, row.end - first), n_keys = first + n_queries;
      // Until then others may still read the group before.
      __syncthreads();
      LoadQueries<W>(args, row, head, first, n_queries, thread, shared);
      AttendState<kDims> state[kAttendQueries];
      for (int32_t tile = 0; tile < n_keys; tile += kAttendTile) {
        __syncthreads();
        LoadTile<W>(args, row, head, tile, min(kAttendTile, n_keys - tile), thread, shared);
        __syncthreads();
        // Query `warp + k * kAttendWarps` of the group: a short row's spread over the warps. What lies behind the last
        // query or key is not looked at.
        float score[kAttendQueries] = {};
        for (int32_t p = 0; p < packs; ++p) {
          const auto key = LoadPack<float, W>(shared.keys + lane * AttendKeyStride<W>(args.d_head), p);
#pragma unroll
          for (int k = 0; k < kAttendQueries; ++k) {
            const auto query = LoadPack<float, W>(shared.queries + (warp + k * kAttendWarps) * args.d_head, p);
#pragma unroll
            for (int e = 0; e < W; ++e) score[k] += query.element[e] * key.element[e];
          }
        }
#pragma unroll
        for (int k = 0; k < kAttendQueries; ++k) {
          const int32_t query = warp + k * kAttendWarps, own_keys = first + query + 1 - tile;
          if (query >= n_queries || own_keys <= 0) continue;
          state[k].Take(score[k] * args.scale, min(own_keys, kAttendTile), shared.values, args.d_head, lane);
        }
      }
      const float* const bias = args.bias + (int64_t{2} * args.n_heads + head) * args.d_head;
#pragma unroll
      for (int k = 0; k < kAttendQueries; ++k) {
        const int32_t query = warp + k * kAttendWarps;
        if (query >= n_queries) continue;
        float* const z = args.z + (AttendToken(row, first + query) * args.n_heads + head) * args.d_head;
#pragma unroll
        for (int d = 0; d < kDims; ++d) {
          const int32_t i = lane + d * kWarpLanes;
          if (i < args.d_head) z[i] = state[k].values[d] / state[k].sum + bias[i];
        }
      }
    }
  }
}

inline size_t AttendSharedBytes(int32_t d_head) {
  const int32_t stride = std::max(AttendKeyStride<1>(d_head), AttendKeyStride<4>(d_head));
  return sizeof(float) * static_cast<size_t>(kAttendTile * stride + (kAttendTile + kAttendGroup) * d_head);
}

// Blocks of {32, kAttendWarps} threads.
inline uint32_t AttendGrid(const AttendArgs<float>& args, int64_t n_rows) {
  return GridOf(n_rows * args.n_heads);
}

template <int W, typename Run>
auto WithAttendKernel(const AttendArgs<float>& args, Run run) {
  if (args.d_head <= kWarpLanes) return run(&AttendKernel<W, 1>);
  if (args.d_head <= 2 * kWarpLanes) return run(&AttendKernel<W, 2>);
  return run(&AttendKernel<W, 4>);
}

// run(kernel) with the instance that these arguments need; gives what it gives. Precondition: CheckAttend is empty.
template <typename Run>
auto WithAttendKernel(const AttendArgs<float>& args, Run run) {
  constexpr int kWidth = kPackBytes / static_cast<int>(sizeof(float));
  const auto addresses = reinterpret_cast<uintptr_t>(args.qkv) | reinterpret_cast<uintptr_t>(args.bias);
  return args.d_head % kWidth == 0 && addresses % kPackBytes == 0 ? WithAttendKernel<kWidth>(args, run)
                                                                  : WithAttendKernel<1>(args, run);
}

}  // namespace ablate::kernels
