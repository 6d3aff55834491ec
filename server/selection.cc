#include "server/selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/stats/clusters.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

stats::Clusters ClustersOf(absl::Span<const PreparedPrompt> prompts) {
  std::vector<std::string> templates;
  templates.reserve(prompts.size());
  for (const PreparedPrompt& prompt : prompts) templates.push_back(prompt.template_name);
  return stats::MakeClusters(templates);
}

// Of those that are numbers; 0 where none is.
double MeanOf(absl::Span<const double> values) {
  double sum = 0;
  int64_t count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

}  // namespace

PromptSplit WithoutSplit(size_t n_prompts) {
  PromptSplit split;
  split.chooses.resize(n_prompts);
  std::iota(split.chooses.begin(), split.chooses.end(), 0);
  split.estimates = split.chooses;
  return split;
}

absl::StatusOr<PromptSplit> SplitClusters(absl::Span<const PreparedPrompt> prompts, uint64_t seed) {
  const stats::Clusters clusters = ClustersOf(prompts);
  if (clusters.count < 2) {
    return BadField("summary.split", "TOO_FEW_CLUSTERS",
                    absl::StrCat("the prompts make ", clusters.count, " cluster, expected at least 2 to split"));
  }
  const std::vector<bool> chooses = stats::DrawHalf(clusters.count, seed);
  PromptSplit split;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto cluster = static_cast<size_t>(clusters.of_prompt[i]);
    (chooses[cluster] ? split.chooses : split.estimates).push_back(static_cast<int32_t>(i));
  }
  return split;
}

absl::StatusOr<PromptSplit> SplitFor(const pb::SummaryOptions& options, absl::Span<const PreparedPrompt> prompts) {
  if (!options.split()) return WithoutSplit(prompts.size());
  return SplitClusters(prompts, options.seed());
}

void NameChoosers(const PromptSplit& split, size_t n_prompts, pb::Selection& selection) {
  if (split.chooses.size() == n_prompts) return;
  selection.mutable_prompt_index()->Assign(split.chooses.begin(), split.chooses.end());
}

void KeepForSelection(absl::Span<const int32_t> prompts, PreparedRequest& prepared) {
  std::vector<int32_t> new_index(prepared.prompts.size(), -1);
  std::vector<PreparedPrompt> kept;
  for (const int32_t prompt : prompts) {
    new_index[static_cast<size_t>(prompt)] = static_cast<int32_t>(kept.size());
    kept.push_back(std::move(prepared.prompts[static_cast<size_t>(prompt)]));
  }
  prepared.prompts = std::move(kept);
  std::vector<ScanUnit> units;
  prepared.cost = 0;
  for (ScanUnit unit : prepared.units) {
    unit.prompt = new_index[static_cast<size_t>(unit.prompt)];
    if (unit.prompt < 0) continue;
    prepared.cost += unit.cost;
    units.push_back(unit);
  }
  prepared.units = std::move(units);
}

SiteStrengths::SiteStrengths(std::shared_ptr<const PreparedRequest> prepared)
    : prepared_(std::move(prepared)),
      delta_(prepared_->prompts.size() * prepared_->variants.size(), std::numeric_limits<double>::quiet_NaN()) {}

void SiteStrengths::Take(int32_t prompt, const WireRows& rows) {
  const auto p = static_cast<size_t>(prompt);
  const std::vector<double>* delta = PrimaryDelta(rows.values, prepared_->readout.primary);
  if (delta == nullptr || delta->empty()) return;
  const int32_t last = prepared_->prompts[p].read_positions.back();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows.values.variant[i] < 0 || rows.replacement[i] != 0 || rows.values.position[i] != last) continue;
    delta_[p * prepared_->variants.size() + static_cast<size_t>(rows.values.variant[i])] = (*delta)[i];
  }
}

pb::Selection SiteStrengths::Order() const {
  const size_t n_sites = prepared_->variants.size();
  std::vector<double> mean(n_sites);
  std::vector<size_t> order(n_sites);
  const stats::Clusters clusters = ClustersOf(prepared_->prompts);
  const auto n_clusters = static_cast<size_t>(clusters.count);
  const std::vector<double> cluster_means = stats::ClusterMeans(delta_, n_sites, clusters);  // [V, C]
  for (size_t v = 0; v < n_sites; ++v) {
    mean[v] = MeanOf(absl::MakeConstSpan(cluster_means).subspan(v * n_clusters, n_clusters));
    order[v] = v;
  }
  const auto site = [this](size_t v) { return prepared_->variants[v].sites.at(0); };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const double first = std::abs(mean[a]), second = std::abs(mean[b]);
    return first != second ? first > second : site(a) < site(b);
  });
  pb::Selection selection;
  for (const size_t v : order) {
    pb::Site& to = *selection.add_sites();
    to.set_layer(site(v).layer);
    to.set_head(site(v).head);
    selection.add_mean_delta(mean[v]);
  }
  return selection;
}

std::vector<Site> SitesOf(const pb::Selection& selection) {
  std::vector<Site> sites;
  for (const pb::Site& site : selection.sites()) sites.push_back({site.layer(), site.head()});
  return sites;
}

}  // namespace ablate
