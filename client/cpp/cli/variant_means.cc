#include "client/cpp/cli/variant_means.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace ablate::cli {

Effects Effects::Of(const Row& row) {
  const auto& block = row.columns();
  return {.contribution = row.Value(block.direct_contribution()),
          .direct = row.Value(block.direct_effect()),
          .direct_live = row.Value(block.direct_effect_live()),
          .indirect = row.Value(block.indirect_effect()),
          .total = row.Value(block.total_effect())};
}

VariantMeans::VariantMeans(std::shared_ptr<const client::ScanManifest> manifest, int32_t replacement,
                           const Metrics& metrics)
    : manifest_(std::move(manifest)), replacement_(replacement), metrics_(metrics) {
  const auto& kind = manifest_->head.replacements(replacement);
  const bool edits_corrupted = kind.has_resample() && kind.resample().direction() == ablation::v1::DIRECTION_DENOISING;
  unedited_ = edits_corrupted ? client::kCorrupted : client::kBaseline;
  if (const auto& chosen = manifest_->head.selection().prompt_index(); !chosen.empty()) {
    has_chosen_.resize(manifest_->prompts.size());
    for (const int32_t prompt : chosen) has_chosen_.at(prompt) = true;
  }
  WeighTemplates();
  edit_positions_ = {-1};
  if (manifest_->head.edit_positions().each()) {
    const auto& prompts = manifest_->prompts;
    counts_from_end_ = std::any_of(prompts.begin(), prompts.end(), [&](const auto& prompt) {
      return prompt.tokens_size() != prompts[0].tokens_size();
    });
    std::set<int32_t> positions;
    for (int32_t i = 0; i < manifest_->n_prompts(); ++i) {
      if (HasChosen(i)) continue;
      const auto& prompt = prompts[i];
      for (const int32_t p : prompt.edit_positions()) positions.insert(counts_from_end_ ? p - prompt.tokens_size() : p);
    }
    edit_positions_.assign(positions.begin(), positions.end());
  }
  sums_.resize(n_variants() * edit_positions_.size());
}

// A prompt without a template is one of its own.
void VariantMeans::WeighTemplates() {
  std::map<std::string_view, int> size_of;
  for (int32_t i = 0; i < manifest_->n_prompts(); ++i) {
    if (!HasChosen(i)) ++size_of[manifest_->prompts[i].template_()];
  }
  std::vector<double> weight(manifest_->prompts.size(), 0.0);
  std::set<int> sizes;
  for (int32_t i = 0; i < manifest_->n_prompts(); ++i) {
    if (HasChosen(i)) continue;
    const std::string& name = manifest_->prompts[i].template_();
    const int size = name.empty() ? 1 : size_of[name];
    sizes.insert(size);
    weight[i] = 1.0 / size;
  }
  if (sizes.size() > 1) weight_ = std::move(weight);
}

size_t VariantMeans::EditIndex(int32_t prompt, int32_t edit_position) const {
  if (edit_position < 0) return 0;
  const int32_t label = counts_from_end_ ? edit_position - manifest_->prompts[prompt].tokens_size() : edit_position;
  return std::lower_bound(edit_positions_.begin(), edit_positions_.end(), label) - edit_positions_.begin();
}

void VariantMeans::Add(const Row& row) {
  const client::RunKey key = row.key();
  const bool is_ours = key.is_unedited() ? key.variant == unedited_ : key.replacement == replacement_;
  const auto& reads = manifest_->prompts[row.prompt()].read_positions();
  if (!is_ours || HasChosen(row.prompt()) || (!reads.empty() && row.position() != *reads.rbegin())) return;
  Sums& sums = key.is_unedited()
                   ? baseline_
                   : sums_[key.variant * edit_positions_.size() + EditIndex(row.prompt(), key.edit_position)];
  const double weight = weight_.empty() ? 1 : weight_[row.prompt()];
  ++sums.n;
  sums.weight += weight;
  sums.map += weight * MetricOf(metrics_.map, row);
  sums.delta += weight * MetricOf(metrics_.primary, row);
  sums.level += weight * LevelOf(metrics_.primary, row);
  sums.interaction += weight * row.Value(row.columns().interaction());
  sums.top1 += row.index < row.columns().top1_preserved_size() && row.columns().top1_preserved(row.index) ? 1 : 0;
  const Effects effects = Effects::Of(row);
  sums.effects.contribution += weight * effects.contribution;
  sums.effects.direct += weight * effects.direct;
  sums.effects.direct_live += weight * effects.direct_live;
  sums.effects.indirect += weight * effects.indirect;
  sums.effects.total += weight * effects.total;
}

VariantMeans::Means VariantMeans::At(size_t variant, size_t edit_index) const {
  const Sums& sums = sums_[variant * edit_positions_.size() + edit_index];
  if (sums.n == 0) return {};
  return {.n = sums.n,
          .map = sums.map / sums.weight,
          .delta = sums.delta / sums.weight,
          .level = sums.level / sums.weight,
          .interaction = sums.interaction / sums.weight,
          .top1_share = sums.top1 / sums.n,
          .effects = {.contribution = sums.effects.contribution / sums.weight,
                      .direct = sums.effects.direct / sums.weight,
                      .direct_live = sums.effects.direct_live / sums.weight,
                      .indirect = sums.effects.indirect / sums.weight,
                      .total = sums.effects.total / sums.weight}};
}

double VariantMeans::baseline() const {
  return baseline_.n == 0 ? std::numeric_limits<double>::quiet_NaN() : baseline_.level / baseline_.weight;
}

}  // namespace ablate::cli
