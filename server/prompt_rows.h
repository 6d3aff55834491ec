// One prompt's blocks from the engine, brought together to the contract's rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "server/interaction.h"
#include "server/likelihood.h"
#include "server/prepare.h"
#include "server/sequence.h"
#include "server/wire_rows.h"

namespace ablate {

// What is complete, of one prompt.
struct AssembledRows {
  int32_t prompt = 0;
  // Those with `normalized`, and those without: all rows of a message have the same columns.
  WireRows normalized, plain;
  std::vector<ablation::v1::CompensationBlock> compensation;
  std::vector<ablation::v1::LikelihoodBlock> likelihood;
};

// The engine's blocks come in any order and refer to their scan's own unedited run; a prompt may have several scans
// (ScanUnit). Rows that need others (`normalized`, `interaction`, sequences) wait for them here: at most the prompt's
// rows.
class PromptRows {
 public:
  // Both outlive it; `pairs` is null where the sweep is not over pairs.
  PromptRows(const PreparedRequest* prepared, int32_t prompt, const PairIndex* pairs);

  // Takes a block of one of the prompt's units, and appends what is complete now.
  void Take(const ReadoutBlock& block, size_t unit, AssembledRows& out);

  // Handed out so far.
  int64_t rows() const { return rows_; }

 private:
  // The unedited runs at one read position.
  struct Unedited {
    bool has_clean = false, has_corrupted = false;
    // Of the primary metric.
    double clean_level = 0, corrupted_level = 0;
    // Of a denoising scan, until both have come: its donor and its baseline.
    ReadoutBlock donor, baseline;
    // Rows that wait for both levels.
    WireRows waiting;
  };

  void TakeRows(const ReadoutBlock& rows, size_t unit, AssembledRows& out);
  void TakeUnedited(const ReadoutBlock& rows, size_t row, size_t unit, AssembledRows& out);
  // A row relative to the clean run, of which later copies are dropped.
  void AddUnedited(ReadoutBlock row, int32_t variant, AssembledRows& out);
  void AddEdited(const ReadoutBlock& rows, size_t row, size_t unit, WireRows& edited) const;
  // Lets rows pass, or wait for the levels of their positions.
  void AwaitLevels(WireRows rows, AssembledRows& out);
  void Pass(WireRows rows, WireRows& to);

  const PreparedRequest* const prepared_;
  const int32_t prompt_;
  const PairIndex* const pairs_;
  const bool has_resample_;
  int64_t rows_ = 0;
  // By read position.
  absl::flat_hash_map<int32_t, Unedited> unedited_;
  // Of edits of the clean and of the corrupted run.
  SequenceJoin sequences_[2];
  // By unit.
  absl::flat_hash_map<size_t, LikelihoodJoin> likelihoods_;
  Interactions interactions_;
};

}  // namespace ablate
