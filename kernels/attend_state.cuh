// What attend's two ways through a row's keys on CUDA share: where its tokens lie, and what a warp knows of a query.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/attend.h"
#include "kernels/block_shape.h"
#include "kernels/device.cuh"

namespace ablate::kernels {

static_assert(kAttendTile == kWarpLanes);

// Positions whose keys are summed up by themselves, from the first on: whole tiles. What they give is put together in
// their order, so that it does not matter whether one warp walks them all.
constexpr int32_t kAttendSegment = 8 * kAttendTile;

__device__ __forceinline__ int32_t AttendThreads() {
  return static_cast<int32_t>(blockDim.y) * kWarpLanes;
}

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

// Pack `p` of a token's query, with its bias.
template <int W>
__device__ __forceinline__ Pack<float, W> LoadQuery(const AttendArgs<float>& args, int64_t token, int32_t head,
                                                    int32_t p) {
  auto query = LoadPack<float, W>(AttendPart(args, token, 0, head), p);
  const auto bias = LoadPack<float, W>(args.bias + int64_t{head} * args.d_head, p);
#pragma unroll
  for (int e = 0; e < W; ++e) query.element[e] += bias.element[e];
  return query;
}

template <int W>
__device__ __forceinline__ float AddProducts(Pack<float, W> query, Pack<float, W> key, float score) {
#pragma unroll
  for (int e = 0; e < W; ++e) score = fmaf(query.element[e], key.element[e], score);
  return score;
}

// Of one query, over the keys taken so far. The lanes of a warp have one together. Products and sums are fused
// explicitly, and a score is rounded before it is taken: each way of taking the keys gives the same bits.
template <int kDims>
struct AttendState {
  float largest = -INFINITY;
  float sum = 0;
  float values[kDims] = {};  // of elements lane, lane + 32, ... of the head

  // Takes a tile's first `n_keys`, of which this lane has key `lane`'s score. Gives that key's weight, by which its
  // value is to be added.
  __device__ __forceinline__ float Take(float score, int32_t n_keys, int32_t lane) {
    if (lane >= n_keys) score = -INFINITY;
    const float now = fmaxf(largest, WarpMax(score));
    const float kept = expf(largest - now);
    const float weight = lane < n_keys ? expf(score - now) : 0.0F;
    largest = now;
    sum = fmaf(sum, kept, WarpSum(weight));
#pragma unroll
    for (int d = 0; d < kDims; ++d) values[d] *= kept;
    return weight;
  }

  __device__ __forceinline__ void AddValue(float weight, const float (&value)[kDims]) {
#pragma unroll
    for (int d = 0; d < kDims; ++d) values[d] = fmaf(weight, value[d], values[d]);
  }

  // Takes what was summed up over later keys.
  __device__ __forceinline__ void Merge(const AttendState& later) {
    const float now = fmaxf(largest, later.largest);
    const float kept = expf(largest - now), added = expf(later.largest - now);
    largest = now;
    sum = fmaf(sum, kept, later.sum * added);
#pragma unroll
    for (int d = 0; d < kDims; ++d) values[d] = fmaf(values[d], kept, later.values[d] * added);
  }

  // z of the head, with the bias of v.
  __device__ __forceinline__ void PutZ(const AttendArgs<float>& args, int64_t token, int32_t head, int32_t lane) const {
    const float* const bias = args.bias + (int64_t{2} * args.n_heads + head) * args.d_head;
    float* const z = args.z + (token * args.n_heads + head) * args.d_head;
#pragma unroll
    for (int d = 0; d < kDims; ++d) {
      const int32_t i = lane + d * kWarpLanes;
      if (i < args.d_head) z[i] = values[d] / sum + bias[i];
    }
  }
};

// This lane's elements of a value.
template <int kDims>
__device__ __forceinline__ void LoadValue(const float* value, int32_t d_head, int32_t lane, float (&loaded)[kDims]) {
#pragma unroll
  for (int d = 0; d < kDims; ++d) {
    const int32_t i = lane + d * kWarpLanes;
    loaded[d] = i < d_head ? value[i] : 0.0F;
  }
}

// A state in memory: [Dh + 2]. Where what is there has been loaded by this warp before, all of it has.
template <int kDims>
__device__ __forceinline__ void StoreState(const AttendState<kDims>& state, float* to, int32_t d_head, int32_t lane) {
  __syncwarp();
#pragma unroll
  for (int d = 0; d < kDims; ++d) {
    const int32_t i = lane + d * kWarpLanes;
    if (i < d_head) to[i] = state.values[d];
  }
  if (lane == 0) {
    to[d_head] = state.largest;
    to[d_head + 1] = state.sum;
  }
}

// Behind a barrier that follows the store.
template <int kDims>
__device__ __forceinline__ AttendState<kDims> LoadState(const float* from, int32_t d_head, int32_t lane) {
  AttendState<kDims> state;
  state.largest = from[d_head];
  state.sum = from[d_head + 1];
  LoadValue<kDims>(from, d_head, lane, state.values);
  return state;
}

}  // namespace ablate::kernels
