// Sweeps over positions: layer by position.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/figure.h"
#include "client/cpp/cli/heatmap.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

constexpr size_t kMostColumns = 24;
constexpr size_t kMostRows = 48;
constexpr int kMostLabel = 28;

// The row that a variant belongs to: its layer, or, where its sites are of several, itself.
std::string RowLabel(const Legend& legend, int32_t variant) {
  const auto& sites = legend.manifest().variants[variant].sites();
  const bool is_one_layer =
      std::all_of(sites.begin(), sites.end(), [&](const auto& site) { return site.layer() == sites.Get(0).layer(); });
  const bool is_group = legend.manifest().head.sweep().has_groups();
  if (is_one_layer && !is_group && !sites.empty()) return absl::StrCat("L", sites.Get(0).layer());
  return Cut(legend.VariantTitle(variant), kMostLabel);
}

// Of the larger magnitude, with its sign.
double Stronger(double a, double b) {
  return std::isnan(a) || std::abs(b) > std::abs(a) ? b : a;
}

// The indices of the `n` largest, in rising order.
std::vector<size_t> Largest(const std::vector<double>& strengths, size_t n) {
  std::vector<size_t> indices(strengths.size());
  std::iota(indices.begin(), indices.end(), 0);
  std::stable_sort(indices.begin(), indices.end(), [&](size_t a, size_t b) { return strengths[a] > strengths[b]; });
  if (indices.size() > n) indices.resize(n);
  std::sort(indices.begin(), indices.end());
  return indices;
}

std::string TokensOf(const client::ScanManifest& manifest, const std::vector<int32_t>& positions) {
  return absl::StrJoin(positions, " ", [&](std::string* out, int32_t position) {
    absl::StrAppend(out, position, ":", Quote(manifest.prompts[0].tokens(position).text()));
  });
}

}  // namespace

std::vector<std::string> DrawPositions(const Legend& legend, const VariantMeans& means, Color color) {
  std::vector<std::string> row_labels;
  std::map<std::string, size_t> row_of;
  const size_t n_positions = means.edit_positions().size();
  std::vector<double> values;  // [rows, positions]
  bool is_several_a_row = false;
  for (size_t v = 0; v < means.n_variants(); ++v) {
    const auto [found, is_new] = row_of.emplace(RowLabel(legend, static_cast<int32_t>(v)), row_labels.size());
    if (is_new) {
      row_labels.push_back(found->first);
      values.resize(values.size() + n_positions, std::nan(""));
    }
    is_several_a_row |= !is_new;
    for (size_t p = 0; p < n_positions; ++p) {
      double& value = values[found->second * n_positions + p];
      const auto at = means.At(v, p);
      if (at.n > 0) value = Stronger(value, at.map);
    }
  }
  std::vector<double> by_row(row_labels.size()), by_column(n_positions);
  for (size_t i = 0; i < values.size(); ++i) {
    const double strength = std::isnan(values[i]) ? 0 : std::abs(values[i]);
    by_row[i / n_positions] = std::max(by_row[i / n_positions], strength);
    by_column[i % n_positions] = std::max(by_column[i % n_positions], strength);
  }
  HeatMap map;
  const auto rows = Largest(by_row, kMostRows), columns = Largest(by_column, kMostColumns);
  std::vector<int32_t> shown;
  for (const size_t c : columns) {
    shown.push_back(means.edit_positions()[c]);
    map.column_labels.push_back(absl::StrCat(shown.back()));
  }
  for (const size_t r : rows) {
    map.row_labels.push_back(row_labels[r]);
    for (const size_t c : columns) map.values.push_back(values[r * n_positions + c]);
  }
  std::vector<std::string> lines;
  if (is_several_a_row) lines.emplace_back("of each layer the strongest head; across: the position that is edited");
  const auto drawn = DrawHeatMap(map, color);
  lines.insert(lines.end(), drawn.begin(), drawn.end());
  if (columns.size() < n_positions) {
    lines.push_back(absl::StrCat("the ", columns.size(), " strongest of ", n_positions, " positions"));
  }
  if (rows.size() < row_labels.size()) {
    lines.push_back(absl::StrCat("the ", rows.size(), " strongest of ", row_labels.size(), " rows"));
  }
  if (means.manifest().n_prompts() == 1) {
    lines.push_back(TokensOf(means.manifest(), shown));
  } else if (means.counts_from_end()) {
    lines.emplace_back("positions count from the end, since the prompts differ in length");
  }
  return lines;
}

}  // namespace ablate::cli
