// readout on CUDA: the kernels and the shape of their launches. What they compute is in kernels/readout.h; the launcher
// is kernels/readout.cu.
//
// A block takes a row, and reads it from the cache after the first time: a block of 256 rows of GPT-2's vocabulary is
// as large as an H100's L2.
// - SumRowsKernel: the largest logit with its first id, then S and W around it. Each row once, whoever asks for it.
// - MeasureKernel: for each task the target's rank, KL against the baseline, and the picks.
// - TopKKernel, where a task asks for it: the k-th largest by its bits, eight at a time from the highest, then all
//   above it, and of its equals those with the smallest ids.
// Exponentials and terms are float32, sums go on in float64 after each pack: the error of a sum stays near that of a
// single term. Their order follows from V and the number of a block's warps.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/block_shape.h"
#include "kernels/device.cuh"
#include "kernels/readout.h"

namespace ablate::kernels {

constexpr int32_t kReadoutWidth = kPackBytes / static_cast<int32_t>(sizeof(float));

__device__ __forceinline__ int32_t ReadoutThreads() {
  return static_cast<int32_t>(blockDim.x);
}

__device__ __forceinline__ int32_t ReadoutWarps() {
  return ReadoutThreads() / kWarpLanes;
}

// The sum of a block's values, in each thread; `memory`: one element a warp, free for others after the next barrier.
template <typename T>
__device__ __forceinline__ T BlockSum(T value, T* memory) {
  value = WarpSum(value);
  if (threadIdx.x % kWarpLanes == 0) memory[threadIdx.x / kWarpLanes] = value;
  __syncthreads();
  T sum = 0;
  for (int32_t warp = 0; warp < ReadoutWarps(); ++warp) sum += memory[warp];
  return sum;
}

// body(id, logit) for this thread's share of a row of V: packs of W where rows are aligned to them. after_pack() behind
// each pack.
template <int W, typename Body, typename AfterPack>
__device__ __forceinline__ void ForEachLogit(const float* row, int32_t n_vocab, Body body, AfterPack after_pack) {
  const int32_t packs = (n_vocab + W - 1) / W;
  for (auto p = static_cast<int32_t>(threadIdx.x); p < packs; p += ReadoutThreads()) {
    // A pack that reaches beyond V stays within the row's stride.
    const auto pack = LoadPack<float, W>(row, p);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      if (p * W + i < n_vocab) body(p * W + i, pack.element[i]);
    }
    after_pack();
  }
}

template <int W, typename Body>
__device__ __forceinline__ void ForEachLogit(const float* row, int32_t n_vocab, Body body) {
  ForEachLogit<W>(row, n_vocab, body, [] {});
}

struct SumRowsShared {
  double sum[kMostReadoutWarps], weighted[kMostReadoutWarps];
  float largest[kMostReadoutWarps];
  int32_t id[kMostReadoutWarps];
  int32_t nans[kMostReadoutWarps];
};

// The largest of a row and its first id; `nans`: how many logits are none. The same in each thread.
struct LargestLogit {
  float value;
  int32_t id;
  int32_t nans;
};

__device__ __forceinline__ bool ComesFirst(float a, int32_t a_id, float b, int32_t b_id) {
  return a > b || (a == b && a_id < b_id);
}

template <int W>
__device__ __forceinline__ LargestLogit FindLargest(const float* row, int32_t n_vocab, SumRowsShared& shared) {
  LargestLogit best = {-INFINITY, n_vocab, 0};
  ForEachLogit<W>(row, n_vocab, [&](int32_t id, float y) {
    best.nans += y != y ? 1 : 0;
    if (ComesFirst(y, id, best.value, best.id)) best = {y, id, best.nans};
  });
  best.nans = WarpSum(best.nans);
#pragma unroll
  for (int32_t bits = kWarpLanes / 2; bits > 0; bits /= 2) {
    const float value = __shfl_xor_sync(kAllLanes, best.value, bits);
    const int32_t id = __shfl_xor_sync(kAllLanes, best.id, bits);
    if (ComesFirst(value, id, best.value, best.id)) best = {value, id, best.nans};
  }
  if (threadIdx.x % kWarpLanes == 0) {
    shared.largest[threadIdx.x / kWarpLanes] = best.value;
    shared.id[threadIdx.x / kWarpLanes] = best.id;
    shared.nans[threadIdx.x / kWarpLanes] = best.nans;
  }
  __syncthreads();
  best = {shared.largest[0], shared.id[0], shared.nans[0]};
  for (int32_t warp = 1; warp < ReadoutWarps(); ++warp) {
    const int32_t nans = best.nans + shared.nans[warp];
    if (ComesFirst(shared.largest[warp], shared.id[warp], best.value, best.id)) {
      best = {shared.largest[warp], shared.id[warp], nans};
    }
    best.nans = nans;
  }
  return best;
}

// W is kReadoutWidth where logits and stride are aligned to it, else 1. A block has a row, and at least kMaxTopK
// threads.
template <int W>
__global__ void __launch_bounds__(kMostReadoutWarps* kWarpLanes) SumRowsKernel(const ReadoutArgs args) {
  ABLATE_SHARED_MEMORY(SumRowsShared, shared);
  for (int64_t b = blockIdx.x; b < args.n_rows; b += gridDim.x) {
    const float* const row = args.logits + b * args.stride;
    const LargestLogit largest = FindLargest<W>(row, args.n_vocab, *shared);
    double sum = 0, weighted = 0;
    float pack_sum = 0, pack_weighted = 0;
    ForEachLogit<W>(
        row, args.n_vocab,
        [&](int32_t, float y) {
          // A bound below which exp is 0, so that -Inf adds 0.
          const float shifted = fmaxf(y - largest.value, -800.0F), e = expf(shifted);
          pack_sum += e;
          pack_weighted += e * shifted;
        },
        [&] {
          sum += static_cast<double>(pack_sum);
          weighted += static_cast<double>(pack_weighted);
          pack_sum = pack_weighted = 0;
        });
    sum = BlockSum(sum, shared->sum);
    weighted = BlockSum(weighted, shared->weighted);
    if (threadIdx.x == 0) {
      ReadoutSums sums = {};
      // Not where the largest is infinite: Inf - Inf is none.
      sums.is_distribution = largest.nans == 0 && largest.value - largest.value == 0 ? 1 : 0;
      sums.largest = largest.value;
      sums.top1_id = largest.id;
      sums.sum = sum;
      sums.log_sum = log(sum);
      sums.weighted = weighted;
      args.sums[b] = sums;
    }
    // The next row's sums go where these were.
    __syncthreads();
  }
}

// f(d) / d^2 for |d| <= 1, f(d) = expm1(-d) + d: the Taylor series sum (-d)^n / (n + 2)!, to the last term that a float
// can see.
__device__ __forceinline__ float KlSeries(float d) {
  float poly = -1.0F / 39916800;
  poly = poly * d + 1.0F / 3628800;
  poly = poly * d - 1.0F / 362880;
  poly = poly * d + 1.0F / 40320;
  poly = poly * d - 1.0F / 5040;
  poly = poly * d + 1.0F / 720;
  poly = poly * d - 1.0F / 120;
  poly = poly * d + 1.0F / 24;
  poly = poly * d - 1.0F / 6;
  return poly * d + 0.5F;
}

// KL(baseline || variant) = sum p f(d), d = lp_base - lp_var, p the baseline's probability.
class KlTerm {
 public:
  __device__ __forceinline__ KlTerm(const ReadoutSums& base, const ReadoutSums& variant)
      : offset_(static_cast<float>((static_cast<double>(base.largest) - static_cast<double>(variant.largest)) +
                                   (base.log_sum - variant.log_sum))),
        base_largest_(base.largest),
        variant_largest_(variant.largest),
        base_scale_(static_cast<float>(1 / base.sum)),
        variant_scale_(static_cast<float>(1 / variant.sum)) {}

  __device__ __forceinline__ float operator()(float base, float variant) const {
    const float p = expf(base - base_largest_) * base_scale_;
    // Equal logits' difference is exact up to a factor of 2; a rest common to all d is second order in the sum.
    const float d = (base - variant) - offset_;
    if (d <= 1.0F && d >= -1.0F) return p * (d * d) * KlSeries(d);
    // p f(d) = q - p + p d: no overflow where p vanishes, and 0 where p and q do (two -Inf).
    const float q = expf(variant - variant_largest_) * variant_scale_;
    return (q - p) + (p > 0 ? p * d : 0.0F);
  }

 private:
  float offset_, base_largest_, variant_largest_, base_scale_, variant_scale_;
};

struct MeasureShared {
  double kl[kMostReadoutWarps];
  int32_t above[kMostReadoutWarps];
};

// The same of tasks, behind SumRowsKernel.
template <int W>
__global__ void __launch_bounds__(kMostReadoutWarps* kWarpLanes) MeasureKernel(const ReadoutArgs args) {
  ABLATE_SHARED_MEMORY(MeasureShared, shared);
  const double none = static_cast<double>(NAN);
  for (int64_t i = blockIdx.x; i < args.n_tasks; i += gridDim.x) {
    const ReadoutTask task = args.tasks[i];
    const float* const row = args.logits + task.row * args.stride;
    const float* const base = args.logits + task.baseline_row * args.stride;
    const ReadoutSums sums = args.sums[task.row], base_sums = args.sums[task.baseline_row];
    const bool is_baseline = task.row == task.baseline_row;
    const bool has_kl = !is_baseline && sums.is_distribution != 0 && base_sums.is_distribution != 0;
    const float target = task.target_id >= 0 ? row[task.target_id] : 0.0F;
    int32_t above = 0;
    double kl = 0;
    if (has_kl) {
      const KlTerm term(base_sums, sums);
      const int32_t packs = (args.n_vocab + W - 1) / W;
      for (auto p = static_cast<int32_t>(threadIdx.x); p < packs; p += ReadoutThreads()) {
        const auto y = LoadPack<float, W>(row, p), b = LoadPack<float, W>(base, p);
        float pack = 0;
#pragma unroll
        for (int e = 0; e < W; ++e) {
          if (p * W + e >= args.n_vocab) continue;
          pack += term(b.element[e], y.element[e]);
          above += y.element[e] > target ? 1 : 0;
        }
        kl += static_cast<double>(pack);
      }
    } else {
      ForEachLogit<W>(row, args.n_vocab, [&](int32_t, float y) { above += y > target ? 1 : 0; });
    }
    above = BlockSum(above, shared->above);
    kl = BlockSum(kl, shared->kl);
    if (threadIdx.x == 0) {
      ReadoutRow result = {none, none, none, none, none, none, -1, -1};
      if (task.target_id >= 0) result.target_logit = static_cast<double>(target);
      if (task.contrast_id >= 0) result.contrast_logit = static_cast<double>(row[task.contrast_id]);
      if (sums.is_distribution != 0) {
        const auto largest = static_cast<double>(sums.largest);
        result.target_logprob = (result.target_logit - largest) - sums.log_sum;
        result.contrast_logprob = (result.contrast_logit - largest) - sums.log_sum;
        result.entropy = sums.log_sum - sums.weighted / sums.sum;
        if (is_baseline) result.kl_divergence = 0;
        // Never below 0 but by rounding.
        if (has_kl) result.kl_divergence = kl > 0 || kl != kl ? kl : 0;
        if (task.target_id >= 0) result.target_rank = above;
        result.top1_id = sums.top1_id;
      }
      args.results[i] = result;
    }
    __syncthreads();
  }
}

// A float's bits as an unsigned number that rises with it; both zeros are one.
__device__ __forceinline__ uint32_t RisingKey(float value) {
  const uint32_t bits = __float_as_uint(value + 0.0F);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

constexpr int32_t kRadixBits = 8;
constexpr int32_t kRadixBins = 1 << kRadixBits;

struct TopKShared {
  int32_t bins[kRadixBins];
  uint32_t key;     // so far
  int32_t to_take;  // of those whose high bits are the key's
  int32_t above[kMostReadoutWarps], equal[kMostReadoutWarps];
  float value[kMaxTopK];
  int32_t id[kMaxTopK];
};

// The key of the k-th largest in shared.key, and how many of its equals are among the k in shared.to_take.
template <int W>
__device__ __forceinline__ void FindKth(const float* row, int32_t n_vocab, int32_t k, TopKShared& shared) {
  if (threadIdx.x == 0) {
    shared.key = 0;
    shared.to_take = k;
  }
  uint32_t known = 0;  // the bits that are settled
  for (int32_t shift = 32 - kRadixBits; shift >= 0; shift -= kRadixBits) {
    for (auto bin = static_cast<int32_t>(threadIdx.x); bin < kRadixBins; bin += ReadoutThreads()) shared.bins[bin] = 0;
    __syncthreads();
    const uint32_t so_far = shared.key;
    ForEachLogit<W>(row, n_vocab, [&](int32_t, float y) {
      const uint32_t key = RisingKey(y);
      if ((key & known) == so_far) atomicAdd(&shared.bins[key >> shift & (kRadixBins - 1)], 1);
    });
    __syncthreads();
    if (threadIdx.x == 0) {
      int32_t bin = kRadixBins - 1;
      for (; bin > 0 && shared.bins[bin] < shared.to_take; --bin) shared.to_take -= shared.bins[bin];
      shared.key = so_far | static_cast<uint32_t>(bin) << shift;
    }
    known |= static_cast<uint32_t>(kRadixBins - 1) << shift;
    __syncthreads();
  }
}

// How many lower lanes of this warp have it.
__device__ __forceinline__ int32_t CountBelow(uint32_t ballot) {
  return __popc(ballot & ((1U << threadIdx.x % kWarpLanes) - 1U));
}

// All above the key, and the first shared.to_take of its equals, into shared.value and shared.id, in the order of ids
// among equals.
__device__ __forceinline__ void GatherTopK(const float* row, int32_t n_vocab, int32_t k, TopKShared& shared) {
  const int32_t warp = static_cast<int32_t>(threadIdx.x) / kWarpLanes;
  const int32_t to_take = shared.to_take, all_above = k - to_take;
  int32_t n_above = 0, n_equal = 0;  // in the chunks before
  for (int32_t first = 0; first < n_vocab; first += ReadoutThreads()) {
    const int32_t id = first + static_cast<int32_t>(threadIdx.x);
    const float y = id < n_vocab ? row[id] : 0.0F;
    const uint32_t key = RisingKey(y);
    const bool is_above = id < n_vocab && key > shared.key, is_equal = id < n_vocab && key == shared.key;
    const uint32_t above = __ballot_sync(kAllLanes, is_above), equal = __ballot_sync(kAllLanes, is_equal);
    if (threadIdx.x % kWarpLanes == 0) {
      shared.above[warp] = __popc(above);
      shared.equal[warp] = __popc(equal);
    }
    __syncthreads();
    int32_t above_at = n_above + CountBelow(above), equal_at = n_equal + CountBelow(equal);
    for (int32_t w = 0; w < ReadoutWarps(); ++w) {
      above_at += w < warp ? shared.above[w] : 0;
      equal_at += w < warp ? shared.equal[w] : 0;
      n_above += shared.above[w];
      n_equal += shared.equal[w];
    }
    const int32_t at = is_above ? above_at : is_equal && equal_at < to_take ? all_above + equal_at : -1;
    if (at >= 0) {
      shared.value[at] = y;
      shared.id[at] = id;
    }
    __syncthreads();
  }
}

// The same of tasks, behind SumRowsKernel.
template <int W>
__global__ void __launch_bounds__(kMostReadoutWarps* kWarpLanes) TopKKernel(const ReadoutArgs args) {
  ABLATE_SHARED_MEMORY(TopKShared, shared);
  for (int64_t i = blockIdx.x; i < args.n_tasks; i += gridDim.x) {
    const ReadoutTask task = args.tasks[i];
    if (task.top_k == 0) continue;
    const ReadoutSums sums = args.sums[task.row];
    const auto own = static_cast<int32_t>(threadIdx.x);
    if (sums.is_distribution == 0) {
      if (own < task.top_k) {
        args.top_k_id[task.top_k_begin + own] = -1;
        args.top_k_logprob[task.top_k_begin + own] = static_cast<double>(NAN);
      }
      continue;
    }
    const float* const row = args.logits + task.row * args.stride;
    FindKth<W>(row, args.n_vocab, task.top_k, *shared);
    GatherTopK(row, args.n_vocab, task.top_k, *shared);
    if (own < task.top_k) {
      const float value = shared->value[own];
      const int32_t id = shared->id[own];
      int32_t rank = 0;
      for (int32_t j = 0; j < task.top_k; ++j) rank += ComesFirst(shared->value[j], shared->id[j], value, id) ? 1 : 0;
      args.top_k_id[task.top_k_begin + rank] = id;
      args.top_k_logprob[task.top_k_begin + rank] =
          (static_cast<double>(value) - static_cast<double>(sums.largest)) - sums.log_sum;
    }
    __syncthreads();
  }
}

// run(kernel, blocks, shared bytes) for each launch that these arguments need, one after the other; stops at the first
// that gives not `fine`, and gives what the last one gave. Precondition: CheckReadout is empty.
template <int W, typename Result, typename Run>
Result RunReadoutKernels(const ReadoutArgs& args, Result fine, Run run) {
  Result result = run(&SumRowsKernel<W>, GridOf(args.n_rows), sizeof(SumRowsShared));
  if (result == fine) result = run(&MeasureKernel<W>, GridOf(args.n_tasks), sizeof(MeasureShared));
  if (result == fine && args.most_top_k > 0) result = run(&TopKKernel<W>, GridOf(args.n_tasks), sizeof(TopKShared));
  return result;
}

template <typename Result, typename Run>
Result RunReadoutKernels(const ReadoutArgs& args, Result fine, Run run) {
  const bool is_aligned =
      reinterpret_cast<uintptr_t>(args.logits) % kPackBytes == 0 && args.stride % kReadoutWidth == 0;
  return is_aligned ? RunReadoutKernels<kReadoutWidth>(args, fine, run) : RunReadoutKernels<1>(args, fine, run);
}

}  // namespace ablate::kernels
