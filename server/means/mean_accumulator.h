// Sums of head outputs, in an order that nothing but the data set decides.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/means/mean_library.h"

namespace ablate {

// How z is summed.
struct MeanAccumulatorOptions {
  int32_t n_layers = 0, n_heads = 0, d_head = 0;
  // Groups G.
  int32_t n_groups = 1;
  // Positions P with a mean of their own; 0: one mean over all positions.
  int32_t n_positions = 0;
  // Of means over all positions: leave out position 0.
  bool skips_first = false;
};

// Adds in float64, prompt by prompt as they come and within one position by position, each sum on its own: with prompts
// in one order every bit of the means is the same, however the engine cut them into passes. Not thread-safe.
class MeanAccumulator {
 public:
  // Takes MeanBytes() of memory at once.
  explicit MeanAccumulator(const MeanAccumulatorOptions& options);

  // z [L, T, H, Dh] of a prompt of `n_tokens` T of group `group`. Internal where z has another size, or holds what is
  // no number; the sums are then of no more use.
  absl::Status Add(absl::Span<const double> z, int32_t n_tokens, int32_t group);

  int64_t n_tokens() const { return n_tokens_; }

  // Moves the means and the counts into `library`, whose info stays as it is. Where a count is 0 the mean is 0. Once,
  // last.
  void Finish(MeanLibrary& library);

 private:
  // Of the sums of a layer and head at position `cell`, or 0 where there is one for all.
  double* SumsAt(int32_t group, int64_t layer, int64_t head, int64_t cell);

  const MeanAccumulatorOptions options_;
  // P, 1 where pooled.
  const int64_t n_cells_;
  std::vector<double> sum_;     // [G, L, H, P, Dh]
  std::vector<int64_t> count_;  // [G, P]
  int64_t n_tokens_ = 0;
};

// Which positions of a prompt of `n_tokens` go into its means: [first, n_tokens).
inline int32_t FirstPosition(const MeanAccumulatorOptions& options) {
  return options.n_positions == 0 && options.skips_first ? 1 : 0;
}

}  // namespace ablate
