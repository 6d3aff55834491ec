#include "client/cpp/row_space.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ablate::client {
namespace {

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat("the server broke the contract: ", parts...));
}

bool IsRising(const google::protobuf::RepeatedField<int32_t>& positions, int32_t n_tokens) {
  int32_t last = -1;
  for (const int32_t position : positions) {
    if (position <= last || position >= n_tokens) return false;
    last = position;
  }
  return true;
}

// Index of `position` in the rising `positions`; -1 where it is none of them.
int64_t Find(const std::vector<int32_t>& positions, int32_t position) {
  const auto found = std::lower_bound(positions.begin(), positions.end(), position);
  return found != positions.end() && *found == position ? found - positions.begin() : -1;
}

}  // namespace

RowSpace::RowSpace(const ablation::v1::Manifest& head)
    : n_replacements_(head.replacements_size()),
      n_variants_(head.n_variants()),
      sweeps_positions_(head.edit_positions().each()) {
  const auto& replacements = head.replacements();
  const bool has_pairs =
      std::any_of(replacements.begin(), replacements.end(), [](const auto& r) { return r.has_resample(); });
  n_unedited_ = has_pairs ? 2 : 1;
}

absl::Status RowSpace::AddPrompt(const ablation::v1::ResolvedPrompt& prompt) {
  const int64_t number = n_prompts();
  const int32_t n_tokens = prompt.tokens_size();
  if (prompt.read_positions().empty() || !IsRising(prompt.read_positions(), n_tokens)) {
    return Broken("the read positions of prompt ", number, " are not rising positions of its ", n_tokens, " tokens");
  }
  if (prompt.edit_positions().empty() == sweeps_positions_ || !IsRising(prompt.edit_positions(), n_tokens)) {
    return Broken("the edit positions of prompt ", number, " are not rising positions of its ", n_tokens,
                  " tokens, or do not fit the manifest, which says that positions are ",
                  sweeps_positions_ ? "" : "not ", "swept over");
  }
  prompts_.push_back({n_tokens,
                      {prompt.read_positions().begin(), prompt.read_positions().end()},
                      {prompt.edit_positions().begin(), prompt.edit_positions().end()}});
  total_rows_ += rows_of(number);
  return absl::OkStatus();
}

int64_t RowSpace::EditedRunsOf(int64_t prompt) const {
  const int64_t n_edit_positions = sweeps_positions_ ? static_cast<int64_t>(prompts_[prompt].edit_positions.size()) : 1;
  return int64_t{n_replacements_} * n_variants_ * n_edit_positions;
}

int64_t RowSpace::runs_of(int64_t prompt) const {
  return n_unedited_ + EditedRunsOf(prompt);
}

int64_t RowSpace::rows_of(int64_t prompt) const {
  return runs_of(prompt) * static_cast<int64_t>(prompts_[prompt].read_positions.size());
}

int64_t RowSpace::edited_rows_of(int64_t prompt) const {
  return EditedRunsOf(prompt) * static_cast<int64_t>(prompts_[prompt].read_positions.size());
}

absl::StatusOr<int64_t> RowSpace::RunIndex(int64_t prompt, const RunKey& key) const {
  if (prompt < 0 || prompt >= n_prompts()) return Broken("a row names prompt ", prompt, " of ", n_prompts());
  if (key.variant < -n_unedited_ || key.variant >= n_variants_) {
    return Broken("a row of prompt ", prompt, " names variant ", key.variant, " of ", n_variants_);
  }
  const Prompt& positions = prompts_[prompt];
  const bool expects_edit_position = sweeps_positions_ && !key.is_unedited();
  const int64_t edit_index = expects_edit_position ? Find(positions.edit_positions, key.edit_position) : 0;
  if (edit_index < 0 || (!expects_edit_position && key.edit_position != -1)) {
    return Broken("a row of prompt ", prompt, ", variant ", key.variant, " names edit position ", key.edit_position,
                  ", which is none of the prompt's");
  }
  const bool is_good_replacement =
      key.is_unedited() ? key.replacement == -1 : key.replacement >= 0 && key.replacement < n_replacements_;
  if (!is_good_replacement) {
    return Broken("a row of prompt ", prompt, ", variant ", key.variant, " names replacement ", key.replacement, " of ",
                  n_replacements_);
  }
  if (key.is_unedited()) return -1 - key.variant;
  const int64_t n_edit_positions = expects_edit_position ? static_cast<int64_t>(positions.edit_positions.size()) : 1;
  return n_unedited_ + (int64_t{key.replacement} * n_variants_ + key.variant) * n_edit_positions + edit_index;
}

absl::StatusOr<int64_t> RowSpace::RowIndex(int64_t prompt, const RunKey& key, int32_t position) const {
  const auto run = RunIndex(prompt, key);
  if (!run.ok()) return run;
  const auto& reads = prompts_[prompt].read_positions;
  const int64_t read_index = Find(reads, position);
  if (read_index < 0) {
    return Broken("a row of prompt ", prompt, ", variant ", key.variant, " names position ", position,
                  ", which is none of those that are read");
  }
  return *run * static_cast<int64_t>(reads.size()) + read_index;
}

absl::StatusOr<int64_t> RowSpace::SummaryIndex(const ablation::v1::SummaryBlock& block, int i) const {
  RunKey key = KeyOf(block, i);
  // Counted from the end where prompts differ in length.
  if (i < block.edit_position_size() && key.edit_position < 0) key.edit_position += n_tokens(0);
  const auto& reads = prompts_[0].read_positions;
  const int32_t read = block.read_index(i);
  if (read < 0 || read >= static_cast<int64_t>(reads.size())) {
    return Broken("the summary names read position ", read, " of ", reads.size());
  }
  const auto index = RowIndex(0, key, reads[read]);
  if (!index.ok()) return index;
  return *index - (rows_of(0) - edited_rows_of(0));
}

}  // namespace ablate::client
