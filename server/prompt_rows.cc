#include "server/prompt_rows.h"

#include <cmath>
#include <utility>

#include "server/compensation.h"
#include "server/row_blocks.h"

namespace ablate {
namespace {

SequenceJoin MakeJoin(const PreparedPrompt& prompt) {
  return SequenceJoin(prompt.target_ids.size(), prompt.contrast_ids.size());
}

}  // namespace

PromptRows::PromptRows(const PreparedRequest* prepared, int32_t prompt, const PairIndex* pairs)
    : prepared_(prepared),
      prompt_(prompt),
      pairs_(pairs),
      has_resample_(prepared->has_resample()),
      sequences_{MakeJoin(prepared->prompts[static_cast<size_t>(prompt)]),
                 MakeJoin(prepared->prompts[static_cast<size_t>(prompt)])},
      interactions_(pairs, prepared->readout.primary) {}

void PromptRows::Take(const ReadoutBlock& block, size_t unit, AssembledRows& out) {
  const ScanUnit& scan = prepared_->units[unit];
  const PreparedPrompt& prompt = prepared_->prompts[static_cast<size_t>(prompt_)];
  if (scan.is_likelihood) {
    const auto describe = [this, unit](int32_t variant) { return prepared_->DescribeVariant(unit, variant); };
    likelihoods_.try_emplace(unit, prompt_, prompt.token_ids.size() - 1, describe)
        .first->second.Take(block, kBlockBytes, out.likelihood);
    return;
  }
  AppendCompensation(block, *prepared_, unit, kBlockBytes, out.compensation);
  if (!prepared_->readout.is_sequence) {
    TakeRows(block, unit, out);
    return;
  }
  ReadoutBlock rows;
  sequences_[scan.edits_corrupted ? 1 : 0].Take(block, scan.appends_contrast, prompt.read_positions[0], rows);
  TakeRows(rows, unit, out);
}

void PromptRows::TakeRows(const ReadoutBlock& rows, size_t unit, AssembledRows& out) {
  WireRows edited;
  for (size_t i = 0; i < rows.variant.size(); ++i) {
    if (rows.variant[i] < 0) {
      TakeUnedited(rows, i, unit, out);
    } else {
      AddEdited(rows, i, unit, edited);
    }
  }
  AwaitLevels(std::move(edited), out);
}

void PromptRows::TakeUnedited(const ReadoutBlock& rows, size_t row, size_t unit, AssembledRows& out) {
  ReadoutBlock own;
  AppendRow(rows, row, own);
  const int32_t variant = prepared_->DescribeVariant(unit, rows.variant[row]).variant;
  if (!prepared_->units[unit].edits_corrupted) {
    AddUnedited(std::move(own), variant, out);
    return;
  }
  // The scan's numbers refer to its baseline, the corrupted run; they are turned round.
  Unedited& at = unedited_[rows.position[row]];
  (variant == kBaselineVariant ? at.donor : at.baseline) = std::move(own);
  if (at.donor.variant.empty() || at.baseline.variant.empty()) return;
  ReadoutBlock clean = std::move(at.donor), corrupted = std::move(at.baseline);
  at.donor = at.baseline = {};
  NegateDeltas(clean, corrupted);
  corrupted.kl_divergence = corrupted.kl_from_donor;
  corrupted.top1_preserved = clean.top1_preserved;
  ZeroDeltas(clean);
  clean.kl_divergence.assign(clean.kl_divergence.size(), 0);
  clean.top1_preserved.assign(clean.top1_preserved.size(), 1);
  AddUnedited(std::move(clean), kBaselineVariant, out);
  AddUnedited(std::move(corrupted), kDonorVariant, out);
}

void PromptRows::AddUnedited(ReadoutBlock row, int32_t variant, AssembledRows& out) {
  Unedited& at = unedited_[row.position[0]];
  bool& is_known = variant == kBaselineVariant ? at.has_clean : at.has_corrupted;
  if (std::exchange(is_known, true)) return;
  const std::vector<double>* level = PrimaryLevel(row, prepared_->readout.primary);
  if (level != nullptr && !level->empty()) {
    (variant == kBaselineVariant ? at.clean_level : at.corrupted_level) = (*level)[0];
  }
  WireRows unedited;
  unedited.values = std::move(row);
  unedited.values.variant[0] = variant;
  unedited.replacement = {-1};
  unedited.edit_position = {-1};
  if (has_resample_) unedited.kl_to_clean = unedited.values.kl_divergence;
  AwaitLevels(std::move(unedited), out);
  if (at.has_clean && at.has_corrupted) AwaitLevels(std::exchange(at.waiting, {}), out);
}

void PromptRows::AddEdited(const ReadoutBlock& rows, size_t row, size_t unit, WireRows& edited) const {
  const UnitVariant is = prepared_->DescribeVariant(unit, rows.variant[row]);
  AppendRow(rows, row, edited.values);
  edited.values.variant.back() = is.variant;
  edited.replacement.push_back(is.replacement);
  edited.edit_position.push_back(is.edit_position);
  if (!has_resample_) return;
  edited.kl_to_clean.push_back(prepared_->units[unit].edits_corrupted ? rows.kl_from_donor[row]
                                                                      : rows.kl_divergence[row]);
}

void PromptRows::AwaitLevels(WireRows rows, AssembledRows& out) {
  const std::vector<double>* level = PrimaryLevel(rows.values, prepared_->readout.primary);
  if (!has_resample_ || level == nullptr || level->empty()) {
    Pass(std::move(rows), out.plain);
    return;
  }
  WireRows plain, normalized;
  for (size_t i = 0; i < rows.size(); ++i) {
    Unedited& at = unedited_[rows.values.position[i]];
    if (!at.has_clean || !at.has_corrupted) {
      AppendRow(rows, i, at.waiting);
      continue;
    }
    const double denominator = at.clean_level - at.corrupted_level;
    if (std::abs(denominator) < prepared_->readout.min_denominator || denominator == 0) {
      AppendRow(rows, i, plain);
      continue;
    }
    AppendRow(rows, i, normalized);
    normalized.normalized.push_back(((*level)[i] - at.corrupted_level) / denominator);
  }
  Pass(std::move(plain), out.plain);
  Pass(std::move(normalized), out.normalized);
}

void PromptRows::Pass(WireRows rows, WireRows& to) {
  const size_t before = to.size();
  if (pairs_ != nullptr) {
    interactions_.Take(rows, to);
  } else if (to.empty()) {
    to = std::move(rows);
  } else {
    for (size_t i = 0; i < rows.size(); ++i) AppendRow(rows, i, to);
  }
  rows_ += static_cast<int64_t>(to.size() - before);
}

}  // namespace ablate
