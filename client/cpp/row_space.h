// Which rows a scan has (scan.proto, RowBlock), each with a dense number: what "every row came, once" and "in order"
// mean.
#pragma once

#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"

namespace ablate::client {

// The unedited runs' variants.
inline constexpr int32_t kBaseline = -1;
inline constexpr int32_t kCorrupted = -2;

// One run of a prompt. An unedited one has no replacement and no edit position.
struct RunKey {
  int32_t replacement = -1;
  int32_t variant = kBaseline;
  int32_t edit_position = -1;

  bool is_unedited() const { return variant < 0; }
};

// Of entry `i` of a RowBlock, CompensationBlock or LikelihoodBlock, whose columns may be absent where they say nothing.
template <typename Block>
RunKey KeyOf(const Block& block, int i) {
  RunKey key;
  key.variant = block.variant(i);
  key.replacement = i < block.replacement_size() ? block.replacement(i) : key.is_unedited() ? -1 : 0;
  if (i < block.edit_position_size()) key.edit_position = block.edit_position(i);
  return key;
}

// Runs of a prompt are numbered: the baseline, the corrupted run where there is one, then by replacement, variant, edit
// position. Rows: run by run, the read positions of each in rising order.
class RowSpace {
 public:
  RowSpace() = default;
  explicit RowSpace(const ablation::v1::Manifest& head);

  // In the manifest's order. Internal where the prompt's positions are not as the contract has them.
  absl::Status AddPrompt(const ablation::v1::ResolvedPrompt& prompt);

  int64_t n_prompts() const { return static_cast<int64_t>(prompts_.size()); }
  int32_t n_replacements() const { return n_replacements_; }
  // 2 where a replacement is `resample`, else 1.
  int32_t n_unedited() const { return n_unedited_; }
  bool sweeps_positions() const { return sweeps_positions_; }
  // Of all prompts so far.
  int64_t total_rows() const { return total_rows_; }

  int64_t runs_of(int64_t prompt) const;
  int64_t rows_of(int64_t prompt) const;
  int64_t edited_rows_of(int64_t prompt) const;
  int32_t n_tokens(int64_t prompt) const { return prompts_[prompt].n_tokens; }
  int32_t last_read_position(int64_t prompt) const { return prompts_[prompt].read_positions.back(); }

  // 0 .. runs_of(prompt) - 1. Internal names what is out of range.
  absl::StatusOr<int64_t> RunIndex(int64_t prompt, const RunKey& key) const;
  // 0 .. rows_of(prompt) - 1.
  absl::StatusOr<int64_t> RowIndex(int64_t prompt, const RunKey& key, int32_t position) const;
  // Of entry `i` of a summary's block, 0 .. edited_rows_of(0) - 1: prompts that are summarised are alike in what they
  // edit and read. Internal names what is out of range.
  absl::StatusOr<int64_t> SummaryIndex(const ablation::v1::SummaryBlock& block, int i) const;

 private:
  struct Prompt {
    int32_t n_tokens;
    std::vector<int32_t> read_positions;  // rising, at least one
    std::vector<int32_t> edit_positions;  // rising; empty where positions are not swept
  };
  int64_t EditedRunsOf(int64_t prompt) const;

  int32_t n_replacements_ = 1;
  int32_t n_variants_ = 0;
  int32_t n_unedited_ = 1;
  bool sweeps_positions_ = false;
  int64_t total_rows_ = 0;
  std::vector<Prompt> prompts_;
};

}  // namespace ablate::client
