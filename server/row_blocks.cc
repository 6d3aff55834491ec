#include "server/row_blocks.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "server/compensation.h"
#include "server/convert.h"
#include "server/likelihood.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

// Rows [begin, end) of what is to become one message.
struct Slice {
  const WireRows& rows;
  size_t begin, end;

  // With `width` entries a row, where the column is present.
  template <typename Column, typename Field>
  void Append(const Column& column, Field* field, size_t width = 1) const {
    if (column.empty()) return;
    field->Reserve(static_cast<int>((end - begin) * width));
    for (size_t i = begin * width; i < end * width; ++i) field->Add(column[i]);
  }
};

void FillAnswers(const Slice& slice, pb::RowBlock& to) {
  const ReadoutBlock& from = slice.rows.values;
  slice.Append(from.target_logit, to.mutable_target_logit());
  slice.Append(from.contrast_logit, to.mutable_contrast_logit());
  slice.Append(from.logit_diff, to.mutable_logit_diff());
  slice.Append(from.target_logprob, to.mutable_target_logprob());
  slice.Append(from.contrast_logprob, to.mutable_contrast_logprob());
  slice.Append(from.target_prob, to.mutable_target_prob());
  slice.Append(from.prob_diff, to.mutable_prob_diff());
  slice.Append(from.delta_target_logit, to.mutable_delta_target_logit());
  slice.Append(from.delta_contrast_logit, to.mutable_delta_contrast_logit());
  slice.Append(from.delta_logit_diff, to.mutable_delta_logit_diff());
  slice.Append(from.delta_target_logprob, to.mutable_delta_target_logprob());
  slice.Append(from.delta_contrast_logprob, to.mutable_delta_contrast_logprob());
  slice.Append(from.delta_target_prob, to.mutable_delta_target_prob());
  slice.Append(from.delta_prob_diff, to.mutable_delta_prob_diff());
  slice.Append(from.target_rank, to.mutable_target_rank());
  slice.Append(from.target_is_top1, to.mutable_target_is_top1());
}

// Effects are of an edit: in the rows of unedited runs there is none, whatever the corrupted run's delta is.
void FillEffects(const Slice& slice, pb::RowBlock& to) {
  const ReadoutBlock& from = slice.rows.values;
  if (from.direct_effect.empty()) return;
  for (size_t i = slice.begin; i < slice.end; ++i) {
    const bool is_edited = from.variant[i] >= 0;
    const double total = is_edited ? from.delta_logit_diff[i] : 0, direct = is_edited ? from.direct_effect[i] : 0;
    to.add_direct_contribution(is_edited ? from.direct_contribution[i] : 0);
    to.add_direct_effect(direct);
    to.add_direct_effect_live(is_edited ? from.direct_effect_live[i] : 0);
    to.add_total_effect(total);
    to.add_indirect_effect(total - direct);
    to.add_self_repair(total - direct);
  }
}

void NameTokens(const Tokenizer& tokenizer, pb::RowBlock& block) {
  absl::flat_hash_set<int32_t> ids(block.top1_id().begin(), block.top1_id().end());
  ids.insert(block.top_k_id().begin(), block.top_k_id().end());
  std::vector<int32_t> sorted(ids.begin(), ids.end());
  std::sort(sorted.begin(), sorted.end());
  for (const int32_t id : sorted) *block.add_tokens() = MakeToken(id, tokenizer);
}

pb::RowBlock MakeBlock(const Slice& slice, int32_t prompt_index, const RowFormat& format, const Tokenizer& tokenizer) {
  pb::RowBlock to;
  const WireRows& rows = slice.rows;
  const ReadoutBlock& from = rows.values;
  const size_t top_k = from.top_k_id.size() / rows.size();
  for (size_t i = slice.begin; i < slice.end; ++i) to.add_prompt_index(prompt_index);
  slice.Append(from.variant, to.mutable_variant());
  slice.Append(from.position, to.mutable_position());
  if (format.has_replacement) slice.Append(rows.replacement, to.mutable_replacement());
  if (format.has_edit_position) slice.Append(rows.edit_position, to.mutable_edit_position());
  FillAnswers(slice, to);
  slice.Append(from.top1_id, to.mutable_top1_id());
  slice.Append(from.top1_preserved, to.mutable_top1_preserved());
  slice.Append(from.kl_divergence, to.mutable_kl_divergence());
  slice.Append(from.entropy, to.mutable_entropy());
  slice.Append(from.top_k_id, to.mutable_top_k_id(), top_k);
  slice.Append(from.top_k_logprob, to.mutable_top_k_logprob(), top_k);
  slice.Append(rows.kl_to_clean, to.mutable_kl_to_clean());
  slice.Append(rows.normalized, to.mutable_normalized());
  slice.Append(rows.interaction, to.mutable_interaction());
  FillEffects(slice, to);
  NameTokens(tokenizer, to);
  return to;
}

}  // namespace

RowFormat RowFormat::Of(const PreparedRequest& prepared) {
  return {.has_replacement = prepared.replacements.size() > 1, .has_edit_position = prepared.edit_positions.each()};
}

std::vector<pb::RowBlock> MakeRowBlocks(const WireRows& rows, int32_t prompt_index, const RowFormat& format,
                                        const Tokenizer& tokenizer) {
  std::vector<pb::RowBlock> blocks;
  if (rows.empty()) return blocks;
  const auto top_k = static_cast<int32_t>(rows.values.top_k_id.size() / rows.size());
  const auto per_block = std::max<size_t>(1, kBlockBytes / static_cast<size_t>(RowBytes(top_k)));
  for (size_t begin = 0; begin < rows.size(); begin += per_block) {
    const size_t end = std::min(begin + per_block, rows.size());
    blocks.push_back(MakeBlock({.rows = rows, .begin = begin, .end = end}, prompt_index, format, tokenizer));
  }
  return blocks;
}

int64_t RowBytes(int32_t top_k) {
  // Negative int32 take ten bytes on the wire, flags one: eight on average.
  constexpr int64_t kColumns = 36, kBytesPerNumber = 8, kBytesPerToken = 64;
  return kColumns * kBytesPerNumber + kBytesPerToken + top_k * (2 * kBytesPerNumber + kBytesPerToken);
}

int64_t ResultBytes(const PreparedRequest& prepared, size_t prompt) {
  const PreparedPrompt& of = prepared.prompts[prompt];
  const int64_t rows = prepared.rows_of(prompt);
  int64_t bytes = rows * RowBytes(prepared.readout.top_k);
  if (prepared.readout.compensation) bytes += rows * CompensationBytes(prepared.shape);
  if (prepared.readout.likelihood) {
    const int64_t runs = rows / std::max<int64_t>(1, static_cast<int64_t>(of.read_positions.size()));
    bytes += runs * LikelihoodJoin::RunBytes(of.token_ids.size());
  }
  return bytes;
}

int64_t TotalResultBytes(const PreparedRequest& prepared) {
  int64_t bytes = 0;
  for (size_t p = 0; p < prepared.prompts.size(); ++p) bytes += ResultBytes(prepared, p);
  return bytes;
}

}  // namespace ablate
