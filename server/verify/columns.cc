#include "server/verify/columns.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

constexpr Column kColumns[] = {
    {"target_logit", false, &ReadoutBlock::target_logit},
    {"contrast_logit", false, &ReadoutBlock::contrast_logit},
    {"logit_diff", false, &ReadoutBlock::logit_diff},
    {"target_logprob", false, &ReadoutBlock::target_logprob},
    {"contrast_logprob", false, &ReadoutBlock::contrast_logprob},
    {"target_prob", false, &ReadoutBlock::target_prob},
    {"prob_diff", false, &ReadoutBlock::prob_diff},
    {"entropy", false, &ReadoutBlock::entropy},
    {"delta_target_logit", true, &ReadoutBlock::delta_target_logit},
    {"delta_contrast_logit", true, &ReadoutBlock::delta_contrast_logit},
    {"delta_logit_diff", true, &ReadoutBlock::delta_logit_diff},
    {"delta_target_logprob", true, &ReadoutBlock::delta_target_logprob},
    {"delta_contrast_logprob", true, &ReadoutBlock::delta_contrast_logprob},
    {"delta_target_prob", true, &ReadoutBlock::delta_target_prob},
    {"delta_prob_diff", true, &ReadoutBlock::delta_prob_diff},
    {"kl_divergence", true, &ReadoutBlock::kl_divergence},
    {"kl_to_clean", true, &ReadoutBlock::kl_from_donor},
    {"direct_contribution", true, &ReadoutBlock::direct_contribution},
    {"direct_effect", true, &ReadoutBlock::direct_effect},
    {"direct_effect_live", true, &ReadoutBlock::direct_effect_live},
    {"total_effect", true, &ReadoutBlock::delta_logit_diff},
    {"indirect_effect", true, &ReadoutBlock::delta_logit_diff, &ReadoutBlock::direct_effect},
    {"self_repair", true, &ReadoutBlock::delta_logit_diff, &ReadoutBlock::direct_effect},
    {"target_rank"},
};

}  // namespace

absl::Span<const Column> RowColumns() {
  return kColumns;
}

std::vector<absl::string_view> MeasuredColumns() {
  std::vector<absl::string_view> names;
  for (const Column& column : kColumns) names.push_back(column.name);
  names.insert(names.end(), {kInteraction, kTopKLogprob});
  return names;
}

size_t DeltaLogitDiffColumn() {
  const auto* found = std::find_if(std::begin(kColumns), std::end(kColumns),
                                   [](const Column& column) { return column.name == "delta_logit_diff"; });
  return found - std::begin(kColumns);
}

absl::StatusOr<std::vector<double>> ReadColumns(const ReadoutBlock& block, size_t row) {
  const size_t rows = block.variant.size();
  std::vector<double> values;
  for (const Column& column : kColumns) {
    absl::Status status;
    const auto read = [&](const auto& entries) -> double {
      if (entries.size() == rows) return entries[row];
      status = absl::InternalError(
          absl::StrCat("column ", column.name, " has ", entries.size(), " entries, expected ", rows));
      return 0;
    };
    double value = column.value == nullptr ? read(block.target_rank) : read(block.*column.value);
    if (column.minus != nullptr) value -= read(block.*column.minus);
    if (!status.ok()) return status;
    values.push_back(value);
  }
  return values;
}

}  // namespace ablate
