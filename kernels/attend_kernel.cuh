// attend on CUDA: the kernel and the shape of its launch. What it computes is in kernels/attend.h; the launcher is
// kernels/attend.cu.
//
// Made for many short rows, of any length: no padding, no mask in memory, online softmax (Milakov and Gimelshein, arXiv
// 1805.02867).
// - A block takes one head of one row, a group of its queries at a time, and walks the keys in tiles of a warp's width;
//   a tile's keys and values lie in shared memory for all of these queries.
// - A warp takes a few of them: lane j has the score of the tile's key j, and, for the sum of values, the
//   elements j, j + 32, ... of the head.
// - Rows of one token go together (attend_singles.cuh).
// - Tiles begin at multiples of 32 positions whatever the row's `begin`, so that a query's sums run in an order that
//   its position alone fixes, and neither its warp nor its group.
#pragma once

#include <cstdint>

#include "kernels/attend.h"
#include "kernels/attend_singles.cuh"
#include "kernels/attend_state.cuh"
#include "kernels/block_shape.h"
#include "kernels/device.cuh"

namespace ablate::kernels {

// Elements from one key of a tile to the next: lanes read the same column of different keys, from different banks.
template <int W>
__host__ __device__ constexpr int32_t AttendKeyStride(int32_t d_head) {
  return W == 1 ? d_head | 1 : d_head + W;
}
static_assert(AttendKeyStride<1>(64) <= 64 + kAttendKeyGap && AttendKeyStride<4>(64) <= 64 + kAttendKeyGap);

// A block's shared memory.
template <int W>
struct AttendShared {
  __device__ AttendShared(float* memory, int32_t d_head, int32_t group)
      : keys(memory),
        values(keys + kAttendTile * AttendKeyStride<W>(d_head)),
        queries(values + kAttendTile * d_head),
        states(queries + group * d_head) {}

  float* keys;     // [tile, key stride]
  float* values;   // [tile, Dh]
  float* queries;  // [group, Dh], with their bias
  float* states;   // [group, Dh + 2], of the segments before
};

template <int W>
__device__ __forceinline__ void LoadQueries(const AttendArgs<float>& args, const AttendRow& row, int32_t head,
                                            int32_t first, int32_t count, int32_t thread, AttendShared<W> shared) {
  const int32_t packs = args.d_head / W;
  for (int32_t i = thread; i < count * packs; i += AttendThreads()) {
    const int32_t query = i / packs, p = i % packs;
    StorePack<float, W>(shared.queries + query * args.d_head, p,
                        LoadQuery<W>(args, AttendToken(row, first + query), head, p));
  }
}

template <int W>
__device__ __forceinline__ void LoadTile(const AttendArgs<float>& args, const AttendRow& row, int32_t head,
                                         int32_t first, int32_t count, int32_t thread, AttendShared<W> shared) {
  const int32_t packs = args.d_head / W;
  for (int32_t i = thread; i < count * packs; i += AttendThreads()) {
    const int32_t key = i / packs, p = i % packs;
    const int64_t token = AttendToken(row, first + key);
    StorePack<float, W>(shared.keys + key * AttendKeyStride<W>(args.d_head), p,
                        LoadPack<float, W>(AttendPart(args, token, 1, head), p));
    StorePack<float, W>(shared.values + key * args.d_head, p, LoadPack<float, W>(AttendPart(args, token, 2, head), p));
  }
}

// A tile's keys and values, which lie in shared memory, for the queries of a warp: `warp + k * warps` of the group, so
// that a short row's are spread over the warps. Of what lies behind the last query or key nothing is looked at.
template <int W, int kDims, int kQueries>
__device__ __forceinline__ void TakeTile(const AttendArgs<float>& args, int32_t n_keys,
                                         const int32_t (&own_keys)[kQueries], AttendShared<W> shared,
                                         AttendState<kDims> (&state)[kQueries]) {
  const auto lane = static_cast<int32_t>(threadIdx.x), warp = static_cast<int32_t>(threadIdx.y);
  const auto warps = static_cast<int32_t>(blockDim.y);
  const int32_t packs = args.d_head / W;
  float score[kQueries] = {};
  // Here and below: as many loads at once as registers hold without spilling.
#pragma unroll 1
  for (int32_t p = 0; p < packs; ++p) {
    const auto key = LoadPack<float, W>(shared.keys + lane * AttendKeyStride<W>(args.d_head), p);
#pragma unroll
    for (int k = 0; k < kQueries; ++k) {
      const auto query = LoadPack<float, W>(shared.queries + (warp + k * warps) * args.d_head, p);
      score[k] = AddProducts<W>(query, key, score[k]);
    }
  }
  float weight[kQueries];
#pragma unroll
  for (int k = 0; k < kQueries; ++k) {
    weight[k] = own_keys[k] > 0 ? state[k].Take(__fmul_rn(score[k], args.scale), own_keys[k], lane) : 0.0F;
  }
#pragma unroll 4
  for (int32_t j = 0; j < n_keys; ++j) {
    float value[kDims];
    LoadValue<kDims>(shared.values + j * args.d_head, args.d_head, lane, value);
#pragma unroll
    for (int k = 0; k < kQueries; ++k) {
      if (j < own_keys[k]) state[k].AddValue(__shfl_sync(kAllLanes, weight[k], j), value);
    }
  }
}

// A group of a row's queries, from position `first` on.
template <int W, int kDims, int kQueries>
__device__ __forceinline__ void AttendGroup(const AttendArgs<float>& args, const AttendRow& row, int32_t head,
                                            int32_t first, int32_t n_queries, AttendShared<W> shared) {
  const auto lane = static_cast<int32_t>(threadIdx.x), warp = static_cast<int32_t>(threadIdx.y);
  const auto warps = static_cast<int32_t>(blockDim.y);
  const int32_t thread = warp * kWarpLanes + lane, n_keys = first + n_queries;
  LoadQueries<W>(args, row, head, first, n_queries, thread, shared);
  for (int32_t segment = 0; segment < n_keys; segment += kAttendSegment) {
    const int32_t end = min(segment + kAttendSegment, n_keys);
    AttendState<kDims> state[kQueries];
    for (int32_t tile = segment; tile < end; tile += kAttendTile) {
      const int32_t tile_keys = min(kAttendTile, end - tile);
      int32_t own_keys[kQueries];
#pragma unroll
      for (int k = 0; k < kQueries; ++k) {
        const int32_t query = warp + k * warps;
        own_keys[k] = query < n_queries ? min(first + query + 1 - tile, tile_keys) : 0;
      }
      __syncthreads();
      LoadTile<W>(args, row, head, tile, tile_keys, thread, shared);
      __syncthreads();
      TakeTile<W>(args, tile_keys, own_keys, shared, state);
    }
#pragma unroll
    for (int k = 0; k < kQueries; ++k) {
      const int32_t query = warp + k * warps, position = first + query;
      if (query >= n_queries || position < segment) continue;
      float* const kept = shared.states + query * (args.d_head + 2);
      AttendState<kDims> all;
      if (segment > 0) all = LoadState<kDims>(kept, args.d_head, lane);
      all.Merge(state[k]);
      if (position < segment + kAttendSegment) {
        all.PutZ(args, AttendToken(row, position), head, lane);
      } else {
        StoreState(all, kept, args.d_head, lane);
      }
    }
  }
}

// W divides Dh; where it is more than 1, qkv and bias are aligned to W elements. Dh is at most 32 kDims. blockDim is
// {32, warps}, of which each takes kQueries at a time, at most as many as the shape says; shared memory is
// AttendSharedBytes. The number of an SM's blocks is there because ptxas would spill to make room for more.
template <int W, int kDims, int kQueries>
__global__ void __launch_bounds__(kMostAttendWarps* kWarpLanes, kDims < 4 ? 2 : 1)
    AttendKernel(const AttendArgs<float> args, int64_t n_rows) {
  ABLATE_SHARED_MEMORY(float, memory);
  const int32_t group = static_cast<int32_t>(blockDim.y) * kQueries;
  for (int64_t task = blockIdx.x; task < n_rows * args.n_heads; task += gridDim.x) {
    const int64_t index = task / args.n_heads;
    const auto head = static_cast<int32_t>(task % args.n_heads);
    const AttendRow row = args.rows[index];
    if (row.end - row.begin == 1) {
      const SingleRows<kQueries> rows(args, n_rows, index);
      if (!rows.IsFirst(index)) continue;
      AttendSingles<W, kDims>(args, rows, head, memory);
      continue;
    }
    for (int32_t first = row.begin; first < row.end; first += group) {
      AttendGroup<W, kDims, kQueries>(args, row, head, first, min(group, row.end - first),
                                      AttendShared<W>(memory, args.d_head, group));
      // The next one's queries go where these were.
      __syncthreads();
    }
  }
}

// Blocks of {32, warps} threads.
inline uint32_t AttendGrid(const AttendArgs<float>& args, int64_t n_rows) {
  return GridOf(n_rows * args.n_heads);
}

// run(kernel) with the instance that these arguments need; gives what it gives. Preconditions: CheckAttend is empty,
// and the kernel takes such blocks. Each instance is compiled for all GPUs: few serve all sizes, those of GPT-2 best.
template <typename Run>
auto WithAttendKernel(const AttendArgs<float>& args, BlockShape shape, Run run) {
  constexpr int kWidth = kPackBytes / static_cast<int>(sizeof(float));
  const auto addresses = reinterpret_cast<uintptr_t>(args.qkv) | reinterpret_cast<uintptr_t>(args.bias);
  if (args.d_head % kWidth != 0 || addresses % kPackBytes != 0) return run(&AttendKernel<1, 4, 1>);
  if (args.d_head > 2 * kWarpLanes) {
    return shape.queries == 1 ? run(&AttendKernel<kWidth, 4, 1>) : run(&AttendKernel<kWidth, 4, 4>);
  }
  return shape.queries == 1 ? run(&AttendKernel<kWidth, 2, 1>) : run(&AttendKernel<kWidth, 2, 4>);
}

}  // namespace ablate::kernels
