// attend on CUDA for rows of one token of their own, such as edits at a prompt's last position make: 144 of them read
// the same thousand keys.
//
// - Up to kTogether rows with the same earlier positions go through the keys together: a key and a value are read once
//   for all of them.
// - The warps of a block take the segments of positions in turn, and what they find is put together in the segments'
//   order: the bits are those of a row of many tokens.
// - Nothing is staged: each lane reads a key of its own, and each value is read by all lanes side by side.
#pragma once

#include <cstdint>

#include "kernels/attend.h"
#include "kernels/attend_state.cuh"
#include "kernels/block_shape.h"
#include "kernels/device.cuh"

namespace ablate::kernels {

// The rows of an aligned group of kTogether that go with a row of one token.
template <int kTogether>
class SingleRows {
 public:
  __device__ __forceinline__ SingleRows(const AttendArgs<float>& args, int64_t n_rows, int64_t index)
      : rows_(args.rows), n_rows_(n_rows), first_(index / kTogether * kTogether), row_(args.rows[index]) {}

  // The packed token of the slot's row; -1 where that does not go with this one.
  __device__ __forceinline__ int64_t Token(int32_t slot) const {
    if (first_ + slot >= n_rows_) return -1;
    const AttendRow other = rows_[first_ + slot];
    const bool same = other.begin == row_.begin && other.end == row_.end && other.baseline_first == row_.baseline_first;
    return same ? int64_t{other.first_token} : -1;
  }

  // One row of those that go together: the first.
  __device__ __forceinline__ bool IsFirst(int64_t index) const {
    for (int32_t slot = 0; first_ + slot < index; ++slot) {
      if (Token(slot) >= 0) return false;
    }
    return true;
  }

  __device__ __forceinline__ int32_t position() const { return row_.begin; }
  __device__ __forceinline__ int64_t baseline_first() const { return row_.baseline_first; }

 private:
  const AttendRow* rows_;
  int64_t n_rows_, first_;
  AttendRow row_;
};

// A block's shared memory (AttendSharedBytes).
template <int kTogether>
class SinglesShared {
 public:
  __device__ __forceinline__ SinglesShared(float* memory, int32_t d_head)
      : queries_(memory), states_(memory + kTogether * d_head), d_head_(d_head) {}

  // [Dh], with its bias.
  __device__ __forceinline__ float* Query(int32_t slot) const { return queries_ + slot * d_head_; }

  // `place`: a warp's, or behind all warps' that of what has been put together.
  __device__ __forceinline__ float* State(int32_t place, int32_t slot) const {
    return states_ + (place * kTogether + slot) * (d_head_ + 2);
  }

 private:
  float* queries_;  // [slots, Dh]
  float* states_;   // [warps + 1, slots, Dh + 2]
  int32_t d_head_;
};

// A segment's keys, from `first` on, for all slots.
template <int W, int kDims, int kTogether>
__device__ __forceinline__ void WalkSegment(const AttendArgs<float>& args, const SingleRows<kTogether>& rows,
                                            int32_t head, int32_t first, int32_t lane, SinglesShared<kTogether> shared,
                                            AttendState<kDims> (&state)[kTogether]) {
  const int32_t packs = args.d_head / W, own = rows.position();
  const int32_t end = min(first + kAttendSegment, own + 1);
  for (int32_t tile = first; tile < end; tile += kAttendTile) {
    const int32_t n_keys = min(kAttendTile, end - tile), position = tile + lane;
    float score[kTogether] = {};
    if (position < own) {
      const float* const key = AttendPart(args, rows.baseline_first() + position, 1, head);
      // Here and below: as many loads at once as registers hold without spilling.
#pragma unroll 1
      for (int32_t p = 0; p < packs; ++p) {
        const auto pack = LoadPack<float, W>(key, p);
#pragma unroll
        for (int k = 0; k < kTogether; ++k) {
          score[k] = AddProducts<W>(LoadPack<float, W>(shared.Query(k), p), pack, score[k]);
        }
      }
    } else if (position == own) {
#pragma unroll
      for (int k = 0; k < kTogether; ++k) {
        const int64_t token = rows.Token(k);
        if (token < 0) continue;
        const float* const key = AttendPart(args, token, 1, head);
#pragma unroll 1
        for (int32_t p = 0; p < packs; ++p) {
          score[k] = AddProducts<W>(LoadPack<float, W>(shared.Query(k), p), LoadPack<float, W>(key, p), score[k]);
        }
      }
    }
    float weight[kTogether];
#pragma unroll
    for (int k = 0; k < kTogether; ++k) weight[k] = state[k].Take(__fmul_rn(score[k], args.scale), n_keys, lane);
#pragma unroll 4
    for (int32_t j = 0; j < n_keys; ++j) {
      float value[kDims] = {};
      if (tile + j < own) {
        LoadValue<kDims>(AttendPart(args, rows.baseline_first() + tile + j, 2, head), args.d_head, lane, value);
      }
#pragma unroll
      for (int k = 0; k < kTogether; ++k) {
        if (tile + j == own) {
          const int64_t token = rows.Token(k);
          if (token < 0) continue;
          LoadValue<kDims>(AttendPart(args, token, 2, head), args.d_head, lane, value);
        }
        state[k].AddValue(__shfl_sync(kAllLanes, weight[k], j), value);
      }
    }
  }
}

// The rows' head, by a whole block.
template <int W, int kDims, int kTogether>
__device__ __forceinline__ void AttendSingles(const AttendArgs<float>& args, const SingleRows<kTogether>& rows,
                                              int32_t head, float* memory) {
  const SinglesShared<kTogether> shared(memory, args.d_head);
  const auto lane = static_cast<int32_t>(threadIdx.x), warp = static_cast<int32_t>(threadIdx.y);
  const auto warps = static_cast<int32_t>(blockDim.y);
  const int32_t packs = args.d_head / W, n_segments = rows.position() / kAttendSegment + 1;
  for (int32_t i = warp * kWarpLanes + lane; i < kTogether * packs; i += AttendThreads()) {
    const int32_t slot = i / packs, p = i % packs;
    const int64_t token = rows.Token(slot);
    // What an empty slot has is computed, and goes nowhere.
    StorePack<float, W>(shared.Query(slot), p, token < 0 ? Pack<float, W>() : LoadQuery<W>(args, token, head, p));
  }
  __syncthreads();
  for (int32_t round = 0; round < n_segments; round += warps) {
    if (round + warp < n_segments) {
      AttendState<kDims> state[kTogether];
      WalkSegment<W>(args, rows, head, (round + warp) * kAttendSegment, lane, shared, state);
#pragma unroll
      for (int k = 0; k < kTogether; ++k) StoreState(state[k], shared.State(warp, k), args.d_head, lane);
    }
    __syncthreads();
    const int32_t n_walked = min(warps, n_segments - round);
    for (int32_t slot = warp; slot < kTogether; slot += warps) {
      const int64_t token = rows.Token(slot);
      if (token < 0) continue;
      float* const kept = shared.State(warps, slot);
      AttendState<kDims> all;
      if (round > 0) all = LoadState<kDims>(kept, args.d_head, lane);
      for (int32_t walked = 0; walked < n_walked; ++walked) {
        all.Merge(LoadState<kDims>(shared.State(walked, slot), args.d_head, lane));
      }
      if (round + n_walked < n_segments) {
        StoreState(all, kept, args.d_head, lane);
      } else {
        all.PutZ(args, token, head, lane);
      }
    }
    __syncthreads();
  }
}

}  // namespace ablate::kernels
