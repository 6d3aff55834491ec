// Targets of several tokens: the reads of a run, and the target's and the contrast's runs, joined to one row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/types.h"

namespace ablate {

// The runs of one prompt, either those that are edits of the clean run or those of the corrupted one. A row comes out
// when all reads of its run have gone in, the contrast's included where there is one.
class SequenceJoin {
 public:
  // Read positions of a run: tokens of the target and of the contrast, 0: no contrast.
  SequenceJoin(size_t n_target, size_t n_contrast) : n_target_(n_target), n_contrast_(n_contrast) {}

  // Takes reads, each with one token of the sequence as its target. Appends the rows that are complete now: log-probs
  // and their deltas are sums over the reads, `logit_diff` is the target's minus the contrast's, probabilities are
  // those of the whole sequences, and all else is of the target's first read, at `first_position`. No `*_logit`.
  void Take(const ReadoutBlock& reads, bool of_contrast, int32_t first_position, ReadoutBlock& rows);

 private:
  struct Sum {
    size_t reads = 0;
    double logprob = 0, delta = 0;
  };
  struct Run {
    Sum target, contrast;
    // Row of `firsts_`.
    size_t first = 0;
  };

  void Emit(const Run& run, ReadoutBlock& rows) const;

  const size_t n_target_, n_contrast_;
  // By variant.
  absl::flat_hash_map<int32_t, Run> runs_;
  ReadoutBlock firsts_;
};

}  // namespace ablate
