// readout: from rows of logits and of their baselines' logits to what is measured (docs/design.md, "What is measured").
#pragma once

#include <cstdint>

namespace ablate::kernels {

// The largest top_k.
inline constexpr int32_t kMaxTopK = 100;

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

// What is asked of one row of logits, by index: for devices, where a launch answers many.
struct ReadoutTask {
  int32_t row = 0;
  int32_t baseline_row = 0;  // `row` itself for the baseline
  int32_t target_id = -1;    // in [0, V), or -1: none
  int32_t contrast_id = -1;  // in [0, V), or -1: none
  int32_t top_k = 0;         // 0 .. min(kMaxTopK, V)
  int32_t top_k_begin = 0;   // where its top-k goes in the arrays of all
};

// One row's sums: largest logit m, S = sum exp(y - m), W = sum exp(y - m) (y - m). log-sum-exp = m + log S; entropy =
// log S - W / S, in which both terms are positive.
struct ReadoutSums {
  double sum, log_sum, weighted;
  float largest;
  int32_t top1_id;
  int32_t is_distribution;
  int32_t reserved;
};

// The arguments of a launch. All pointers are to the device's memory.
struct ReadoutArgs {
  const float* logits = nullptr;       // [B, stride], of each row the first V count
  const ReadoutTask* tasks = nullptr;  // [n]
  ReadoutSums* sums = nullptr;         // [B], room for what lies between the two kernels
  ReadoutRow* results = nullptr;       // [n]
  // All tasks' top-k, each falling, the smaller id first among equal logits. May be null where no task asks for one.
  int32_t* top_k_id = nullptr;
  double* top_k_logprob = nullptr;
  int64_t n_rows = 0;      // B
  int64_t n_tasks = 0;     // n
  int64_t stride = 0;      // from one row to the next, V or more
  int32_t n_vocab = 0;     // V
  int32_t most_top_k = 0;  // the largest of the tasks
};

}  // namespace ablate::kernels
