// How likely a prompt itself is under each of its runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/container/flat_hash_map.h"
#include "engine/types.h"
#include "server/prepare.h"

namespace ablate {

// The runs of one unit. A run comes out when it has been read everywhere and its baseline too: at most the unit's reads
// wait.
class LikelihoodJoin {
 public:
  // Reads the positions 0 .. n_reads - 1; `describe` tells what a scan's variant is.
  LikelihoodJoin(int32_t prompt, size_t n_reads, std::function<UnitVariant(int32_t variant)> describe)
      : prompt_(prompt), n_reads_(n_reads), describe_(std::move(describe)) {}

  // Takes reads, each with the next token as its target. Appends messages of at most about `max_bytes` with the runs
  // that are complete now. A donor's reads are passed over: the tokens are not its own.
  void Take(const ReadoutBlock& reads, size_t max_bytes, std::vector<ablation::v1::LikelihoodBlock>& blocks);

  // Bytes that one run takes in a message, at most.
  static int64_t RunBytes(size_t n_reads);

 private:
  struct Run {
    size_t reads = 0;
    // [n_reads]
    std::vector<double> logprob;
  };

  double MeanNll(const Run& run) const;

  const int32_t prompt_;
  const size_t n_reads_;
  const std::function<UnitVariant(int32_t variant)> describe_;
  bool has_baseline_ = false;
  double baseline_nll_ = 0;
  // Not yet complete, or waiting for the baseline; by variant.
  absl::flat_hash_map<int32_t, Run> runs_;
  // Complete and not yet emitted.
  std::vector<int32_t> complete_;
};

}  // namespace ablate
