#include "server/row_messages.h"

#include <utility>

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

void AppendRows(const WireRows& rows, int32_t prompt, const RowFormat& format, const Tokenizer& tokenizer,
                std::vector<pb::AblateResponse>& to) {
  for (pb::RowBlock& block : MakeRowBlocks(rows, prompt, format, tokenizer)) {
    *to.emplace_back().mutable_row_block() = std::move(block);
  }
}

template <typename Column>
std::vector<int32_t> ColumnOr(const Column& column, const pb::RowBlock& block, int32_t edited) {
  if (!column.empty()) return {column.begin(), column.end()};
  std::vector<int32_t> values;
  for (const int32_t variant : block.variant()) values.push_back(variant < 0 ? -1 : edited);
  return values;
}

}  // namespace

std::vector<pb::AblateResponse> MakeMessages(AssembledRows rows, const RowFormat& format, const Tokenizer& tokenizer) {
  std::vector<pb::AblateResponse> messages;
  AppendRows(rows.plain, rows.prompt, format, tokenizer, messages);
  AppendRows(rows.normalized, rows.prompt, format, tokenizer, messages);
  for (pb::CompensationBlock& block : rows.compensation) {
    *messages.emplace_back().mutable_compensation_block() = std::move(block);
  }
  for (pb::LikelihoodBlock& block : rows.likelihood) {
    *messages.emplace_back().mutable_likelihood_block() = std::move(block);
  }
  return messages;
}

WireRows PrimaryRows(const pb::RowBlock& block) {
  WireRows rows;
  const auto copy = [](const auto& from, auto& to) { to.assign(from.begin(), from.end()); };
  copy(block.variant(), rows.values.variant);
  copy(block.position(), rows.values.position);
  copy(block.logit_diff(), rows.values.logit_diff);
  copy(block.prob_diff(), rows.values.prob_diff);
  copy(block.target_logprob(), rows.values.target_logprob);
  copy(block.delta_logit_diff(), rows.values.delta_logit_diff);
  copy(block.delta_prob_diff(), rows.values.delta_prob_diff);
  copy(block.delta_target_logprob(), rows.values.delta_target_logprob);
  copy(block.top1_preserved(), rows.values.top1_preserved);
  rows.replacement = ColumnOr(block.replacement(), block, 0);
  rows.edit_position = ColumnOr(block.edit_position(), block, -1);
  return rows;
}

}  // namespace ablate
