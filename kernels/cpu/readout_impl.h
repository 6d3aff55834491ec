// Three passes over a row, each at about the speed of the memory it reads:
//
//   1  largest logit, its first id, top-k (a block of logits is looked at one by one only if its largest enters the k)
//   2  S = sum exp(y - max), W = sum exp(y - max) (y - max), tokens above the target
//      log-sum-exp = max + log S; entropy = log S - W / S: both terms are positive, nothing cancels
//   3  KL = sum p f(d), f(d) = expm1(-d) + d, d = lp_base - lp_var
//
// Sums run in vector lanes for kBlockVectors vectors and go on in double, so that their error stays near that of a
// single term.
#pragma once

#include <math.h>

#include "kernels/cpu/exp_impl.h"
#include "kernels/cpu/readout.h"

namespace ablate::kernels::cpu::ABLATE_ISA {

inline constexpr int kBlockVectors = 16;

// The k best so far, falling; among equal values the earlier id stays in front.
template <typename T>
struct TopK {
  int32_t wanted;
  int32_t count = 0;
  T value[kMaxTopK] = {};
  int32_t id[kMaxTopK] = {};

  ABLATE_INLINE bool Wants(T candidate) const {
    return count < wanted || (wanted > 0 && candidate > value[wanted - 1]);
  }

  void Offer(T candidate, int32_t candidate_id) {
    if (!Wants(candidate)) return;
    int32_t at = count < wanted ? count++ : wanted - 1;
    for (; at > 0 && candidate > value[at - 1]; --at) {
      value[at] = value[at - 1];
      id[at] = id[at - 1];
    }
    value[at] = candidate;
    id[at] = candidate_id;
  }
};

template <typename T>
struct RowSums {
  bool is_distribution;
  T largest;
  double sum;       // S
  double log_sum;   // log S
  double weighted;  // W, not above 0
  int32_t above;    // tokens above the threshold
};

// Vectors [i, i + lanes) of y, with -Inf behind n.
template <typename T>
ABLATE_INLINE Vector<T> LoadLogits(const T* y, int64_t i, int64_t n) {
  if (i + kLanes<T> <= n) return Load<T>(y + i);
  return LoadFirst<T>(y + i, n - i, -static_cast<T>(__builtin_inf()));
}

// Pass 1. False where the row has a NaN, or its largest is not finite. top may be null.
template <typename T>
bool FindLargest(const T* y, int64_t n, T* largest, TopK<T>* top) {
  constexpr int64_t kBlock = 4 * kLanes<T>;
  const Vector<T> lowest = Set<T>(-static_cast<T>(__builtin_inf()));
  Vector<T> best = lowest;
  Mask<T> numbers = ~Mask<T>{};
  for (int64_t i = 0; i < n; i += kBlock) {
    Vector<T> block = lowest;
    for (int64_t j = i; j < i + kBlock && j < n; j += kLanes<T>) {
      const Vector<T> v = LoadLogits<T>(y, j, n);
      numbers &= v == v;
      block = Max<T>(block, v);
    }
    best = Max<T>(best, block);
    if (top == nullptr) continue;
    const bool filling = top->count < top->wanted;
    if (!filling && All<T>(block <= Set<T>(top->value[top->wanted - 1]))) continue;
    for (int64_t j = i; j < i + kBlock && j < n; ++j) top->Offer(y[j], static_cast<int32_t>(j));
  }
  *largest = Largest<T>(best);
  return All<T>(numbers) && *largest - *largest == 0;
}

// Pass 2.
template <typename T>
RowSums<T> SumRow(const T* y, int64_t n, T largest, T threshold) {
  const Vector<T> shift = Set<T>(largest);
  const Vector<T> above = Set<T>(threshold);
  RowSums<T> sums{true, largest, 0, 0, 0, 0};
  Mask<T> count = {};
  constexpr int64_t kBlock = int64_t{kBlockVectors} * kLanes<T>;
  for (int64_t block = 0; block < n; block += kBlock) {
    Vector<T> sum = {};
    Vector<T> weighted = {};
    const int64_t end = block + kBlock < n ? block + kBlock : n;
    for (int64_t i = block; i < end; i += kLanes<T>) {
      const Vector<T> v = LoadLogits<T>(y, i, n);
      // A bound below which exp is 0, so that -Inf adds 0.
      const Vector<T> x = Max<T>(Set<T>(static_cast<T>(-800)), v - shift);
      const Vector<T> e = Exp(x);
      sum += e;
      weighted = Fma<T>(e, x, weighted);
      count -= v > above;
    }
    sums.sum += static_cast<double>(Sum<T>(sum));
    sums.weighted += static_cast<double>(Sum<T>(weighted));
  }
  for (int i = 0; i < kLanes<T>; ++i) sums.above += static_cast<int32_t>(count[i]);
  sums.log_sum = ::log(sums.sum);
  return sums;
}

// f(d) / d^2 for |d| <= 1: the Taylor series sum (-d)^n / (n + 2)!, to the last term that T can see.
template <typename T>
ABLATE_INLINE Vector<T> KlSeries(Vector<T> d) {
  constexpr int kTerms = sizeof(T) == 4 ? 10 : 18;
  double coefficients[kTerms];
  double factorial = 1;
  for (int n = 0; n < kTerms; ++n) {
    factorial *= n + 2;
    coefficients[n] = (n % 2 == 0 ? 1 : -1) / factorial;
  }
  Vector<T> poly = Set<T>(static_cast<T>(coefficients[kTerms - 1]));
#pragma GCC unroll 32
  for (int n = kTerms - 2; n >= 0; --n) poly = Fma<T>(poly, d, Set<T>(static_cast<T>(coefficients[n])));
  return poly;
}

// Pass 3.
template <typename T>
double KlDivergence(const T* base, const RowSums<T>& base_sums, const T* variant, const RowSums<T>& variant_sums,
                    int64_t n) {
  const double lse_difference = (static_cast<double>(base_sums.largest) - static_cast<double>(variant_sums.largest)) +
                                (base_sums.log_sum - variant_sums.log_sum);
  const Vector<T> offset = Set<T>(static_cast<T>(lse_difference));
  const Vector<T> base_shift = Set<T>(base_sums.largest);
  const Vector<T> variant_shift = Set<T>(variant_sums.largest);
  const Vector<T> base_scale = Set<T>(static_cast<T>(1 / base_sums.sum));
  const Vector<T> variant_scale = Set<T>(static_cast<T>(1 / variant_sums.sum));
  const Vector<T> one = Set<T>(static_cast<T>(1));
  double kl = 0;
  constexpr int64_t kBlock = int64_t{kBlockVectors} * kLanes<T>;
  for (int64_t block = 0; block < n; block += kBlock) {
    Vector<T> sum = {};
    const int64_t end = block + kBlock < n ? block + kBlock : n;
    for (int64_t i = block; i < end; i += kLanes<T>) {
      const Vector<T> y = LoadLogits<T>(base, i, n);
      const Vector<T> w = LoadLogits<T>(variant, i, n);
      const Vector<T> p = Exp(y - base_shift) * base_scale;
      // Equal logits' difference is exact up to a factor of 2; a rest common to all d is second order in the sum.
      const Vector<T> d = (y - w) - offset;
      const Mask<T> near = (d <= one) & (-d <= one);
      Vector<T> term = p * (d * d) * KlSeries<T>(d);
      if (!All<T>(near)) {
        // p f(d) = q - p + p d: no overflow where p vanishes, and 0 where p and q do (two -Inf).
        const Vector<T> q = Exp(w - variant_shift) * variant_scale;
        const Vector<T> far = (q - p) + Select<T>(p > Vector<T>{}, p * d, Vector<T>{});
        term = Select<T>(near, term, far);
      }
      sum += term;
    }
    kl += static_cast<double>(Sum<T>(sum));
  }
  return kl;
}

template <typename T>
int32_t FirstEqual(const T* y, int64_t n, T value) {
  for (int64_t i = 0; i < n; ++i) {
    if (y[i] == value) return static_cast<int32_t>(i);
  }
  return -1;
}

template <typename T>
RowSums<T> Reduce(const T* y, int64_t n, int32_t target, TopK<T>* top) {
  T largest;
  if (!FindLargest<T>(y, n, &largest, top)) return {false, largest, 0, 0, 0, 0};
  return SumRow<T>(y, n, largest, target >= 0 ? y[target] : largest);
}

template <typename T>
void AnswerWithout(const ReadoutQuery<T>& query, ReadoutRow* result) {
  const double nan = __builtin_nan("");
  result->target_logprob = result->contrast_logprob = nan;
  result->entropy = result->kl_divergence = nan;
  result->target_rank = result->top1_id = -1;
  for (int32_t i = 0; i < query.top_k; ++i) {
    query.top_k_id[i] = -1;
    query.top_k_logprob[i] = nan;
  }
}

template <typename T>
void ReadoutRows(const ReadoutQuery<T>* queries, int32_t n_vocab, ReadoutRow* results, int64_t row_begin,
                 int64_t row_end) {
  const T* baseline = nullptr;
  RowSums<T> baseline_sums{};
  const double nan = __builtin_nan("");
  for (int64_t row = row_begin; row < row_end; ++row) {
    const ReadoutQuery<T>& query = queries[row];
    ReadoutRow& result = results[row];
    const auto logit = [&](int32_t id) { return id >= 0 ? static_cast<double>(query.logits[id]) : nan; };
    result.target_logit = logit(query.target_id);
    result.contrast_logit = logit(query.contrast_id);

    TopK<T> top{query.top_k};
    const RowSums<T> sums = Reduce<T>(query.logits, n_vocab, query.target_id, query.top_k > 0 ? &top : nullptr);
    if (query.logits != query.baseline && baseline != query.baseline) {
      baseline_sums = Reduce<T>(query.baseline, n_vocab, -1, nullptr);
      baseline = query.baseline;
    }
    if (!sums.is_distribution) {
      AnswerWithout<T>(query, &result);
      continue;
    }
    const double largest = static_cast<double>(sums.largest);
    const auto logprob = [&](double y) { return (y - largest) - sums.log_sum; };
    result.target_logprob = logprob(result.target_logit);
    result.contrast_logprob = logprob(result.contrast_logit);
    result.entropy = sums.log_sum - sums.weighted / sums.sum;
    result.target_rank = query.target_id >= 0 ? sums.above : -1;
    result.top1_id = FirstEqual<T>(query.logits, n_vocab, sums.largest);
    for (int32_t i = 0; i < query.top_k; ++i) {
      query.top_k_id[i] = top.id[i];
      query.top_k_logprob[i] = logprob(static_cast<double>(top.value[i]));
    }
    if (query.logits == query.baseline) {
      result.kl_divergence = 0;
    } else if (!baseline_sums.is_distribution) {
      result.kl_divergence = nan;
    } else {
      result.kl_divergence = KlDivergence<T>(query.baseline, baseline_sums, query.logits, sums, n_vocab);
    }
  }
}

}  // namespace ablate::kernels::cpu::ABLATE_ISA
