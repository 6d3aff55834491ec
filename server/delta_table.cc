#include "server/delta_table.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace ablate {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

size_t EditsOf(const PreparedRequest& prepared) {
  return std::max<size_t>(1, prepared.prompts[0].edit_positions.size());
}

// Of a value that is there, in rising values.
size_t IndexIn(const std::vector<int32_t>& values, int32_t value) {
  return static_cast<size_t>(std::lower_bound(values.begin(), values.end(), value) - values.begin());
}

}  // namespace

DeltaTable::DeltaTable(std::shared_ptr<const PreparedRequest> prepared)
    : prepared_(std::move(prepared)),
      n_edits_(EditsOf(*prepared_)),
      n_reads_(prepared_->prompts[0].read_positions.size()),
      n_entries_(static_cast<size_t>(EntriesOf(*prepared_))),
      delta_(n_prompts() * n_entries_, kMissing),
      keeps_top1_(n_prompts() * n_entries_, 0),
      clean_(n_prompts() * n_reads_, kMissing),
      corrupted_(n_prompts() * n_reads_, kMissing) {}

int64_t DeltaTable::ValuesOf(const PreparedRequest& prepared) {
  return (static_cast<int64_t>(prepared.prompts.size()) + kFigureValues) * EntriesOf(prepared);
}

int64_t DeltaTable::EntriesOf(const PreparedRequest& prepared) {
  return static_cast<int64_t>(prepared.replacements.size() * prepared.variants.size() * EditsOf(prepared) *
                              prepared.prompts[0].read_positions.size());
}

DeltaTable::Entry DeltaTable::EntryAt(size_t entry) const {
  const size_t variants = prepared_->variants.size();
  return {.replacement = static_cast<int32_t>(entry / (n_reads_ * n_edits_ * variants)),
          .variant = static_cast<int32_t>(entry / (n_reads_ * n_edits_) % variants),
          .edit = entry / n_reads_ % n_edits_,
          .read = entry % n_reads_};
}

size_t DeltaTable::IndexOf(const Entry& entry) const {
  const size_t variant =
      static_cast<size_t>(entry.replacement) * prepared_->variants.size() + static_cast<size_t>(entry.variant);
  return (variant * n_edits_ + entry.edit) * n_reads_ + entry.read;
}

void DeltaTable::Take(int32_t prompt, const WireRows& rows) {
  const auto p = static_cast<size_t>(prompt);
  const PreparedPrompt& of = prepared_->prompts[p];
  const std::vector<double>* level = PrimaryLevel(rows.values, prepared_->readout.primary);
  const std::vector<double>* delta = PrimaryDelta(rows.values, prepared_->readout.primary);
  if (level == nullptr || level->empty() || delta->empty()) return;
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t read = IndexIn(of.read_positions, rows.values.position[i]);
    const int32_t variant = rows.values.variant[i];
    if (variant < 0) {
      (variant == kBaselineVariant ? clean_ : corrupted_)[p * n_reads_ + read] = (*level)[i];
      continue;
    }
    const size_t edit = of.edit_positions.empty() ? 0 : IndexIn(of.edit_positions, rows.edit_position[i]);
    const size_t at =
        p * n_entries_ + IndexOf({.replacement = rows.replacement[i], .variant = variant, .edit = edit, .read = read});
    delta_[at] = (*delta)[i];
    keeps_top1_[at] = rows.values.top1_preserved.empty() ? 0 : rows.values.top1_preserved[i];
  }
}

}  // namespace ablate
