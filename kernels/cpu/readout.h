// readout on the CPU (kernels/readout.h).
#pragma once

#include <cstdint>

#include "kernels/readout.h"

namespace ablate::kernels::cpu {

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

// Rows [row_begin, row_end) of queries[R] into results[R]. Baselines are reduced once where neighbours in the range
// share them. Ranges may run at once in several threads.
template <typename T>
void Readout(const ReadoutQuery<T>* queries, int32_t n_vocab, ReadoutRow* results, int64_t row_begin, int64_t row_end);

extern template void Readout<float>(const ReadoutQuery<float>*, int32_t, ReadoutRow*, int64_t, int64_t);
extern template void Readout<double>(const ReadoutQuery<double>*, int32_t, ReadoutRow*, int64_t, int64_t);

}  // namespace ablate::kernels::cpu
