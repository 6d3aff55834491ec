#include "client/cpp/cli/grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ablate::cli {
namespace {

void SortDistinct(std::vector<int32_t>* values) {
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

}  // namespace

const char* Name(Metric metric) {
  return metric == Metric::kDeltaTargetLogprob ? "delta_target_logprob" : "kl_divergence";
}

double MetricOf(Metric metric, const Row& row) {
  const auto& block = row.columns();
  const auto& column = metric == Metric::kDeltaTargetLogprob ? block.delta_target_logprob() : block.kl_divergence();
  return row.index < column.size() ? column.Get(row.index) : std::numeric_limits<double>::quiet_NaN();
}

Grid::Grid(const client::ScanManifest& manifest) {
  for (const auto& variant : manifest.variants) {
    if (variant.sites_size() != 1) continue;
    layers_.push_back(variant.sites(0).layer());
    heads_.push_back(variant.sites(0).head());
  }
  SortDistinct(&layers_);
  SortDistinct(&heads_);
  for (const auto& variant : manifest.variants) {
    const bool is_single = variant.sites_size() == 1;
    cell_of_variant_.push_back(is_single ? CellOf(variant.sites(0).layer(), variant.sites(0).head()) : -1);
  }
  sum_.assign(layers_.size() * heads_.size(), 0.0);
  count_.assign(sum_.size(), 0);
}

size_t Grid::CellOf(int32_t layer, int32_t head) const {
  const auto l = std::lower_bound(layers_.begin(), layers_.end(), layer) - layers_.begin();
  const auto h = std::lower_bound(heads_.begin(), heads_.end(), head) - heads_.begin();
  return l * heads_.size() + h;
}

void Grid::Add(int32_t variant, double value) {
  if (variant < 0 || cell_of_variant_[variant] < 0 || std::isnan(value)) return;
  sum_[cell_of_variant_[variant]] += value;
  ++count_[cell_of_variant_[variant]];
}

double Grid::At(size_t layer_index, size_t head_index) const {
  const size_t cell = layer_index * heads_.size() + head_index;
  return count_[cell] == 0 ? std::numeric_limits<double>::quiet_NaN() : sum_[cell] / count_[cell];
}

double Grid::MaxAbs() const {
  double max = 0;
  for (size_t cell = 0; cell < sum_.size(); ++cell) {
    if (count_[cell] > 0) max = std::max(max, std::abs(sum_[cell] / count_[cell]));
  }
  return max;
}

}  // namespace ablate::cli
