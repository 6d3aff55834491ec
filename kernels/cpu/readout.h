// readout on the CPU: from rows of logits and of their baselines' logits to what is measured (docs/design.md, "What is
// measured").
#pragma once

#include <cstdint>

namespace ablate::kernels::cpu {

// The largest top_k.
inline constexpr int32_t kMaxTopK = 100;

// What is asked of one row.
template <typename T>
struct ReadoutQuery {
  const T* logits = nullptr;        // [V]
  const T* baseline = nullptr;      // [V]: the baseline's logits at the same position; `logits` itself for the baseline
  int32_t target_id = -1;           // in [0, V), or -1: none
  int32_t contrast_id = -1;         // in [0, V), or -1: none
  int32_t top_k = 0;                // 0 .. min(kMaxTopK, V)
  int32_t* top_k_id = nullptr;      // [top_k], falling; the smaller id first among equal logits
  double* top_k_logprob = nullptr;  // [top_k]
};

// The answers. Floats' logits are exact, the rest has at least float32's accuracy and is not rounded to it. NaN and -1
// where there is no answer: no target, or logits that give no distribution (one is NaN or +Inf, or all are -Inf).
struct ReadoutRow {
  double target_logit, contrast_logit;
  double target_logprob, contrast_logprob;
  // Nats.
  double entropy;
  // KL(baseline || variant), nats, never negative; exactly 0 where both rows' logits are equal.
  double kl_divergence;
  // Tokens with a larger logit.
  int32_t target_rank;
  // The smallest id among the largest logits.
  int32_t top1_id;
};

// Rows [row_begin, row_end) of queries[R] into results[R]. Baselines are reduced once where neighbours in the range
// share them. Ranges may run at once in several threads.
template <typename T>
void Readout(const ReadoutQuery<T>* queries, int32_t n_vocab, ReadoutRow* results, int64_t row_begin, int64_t row_end);

extern template void Readout<float>(const ReadoutQuery<float>*, int32_t, ReadoutRow*, int64_t, int64_t);
extern template void Readout<double>(const ReadoutQuery<double>*, int32_t, ReadoutRow*, int64_t, int64_t);

}  // namespace ablate::kernels::cpu
