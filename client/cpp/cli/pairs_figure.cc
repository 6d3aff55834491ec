// Pairs: the strongest, and those that do more or less than their two heads together.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/figure.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

constexpr size_t kShown = 10;
constexpr char kFormat[] = "  %-15s %10s %10s %10s %11s  %s";

using SiteKey = std::pair<int32_t, int32_t>;

SiteKey KeyOf(const ablation::v1::Site& site) {
  return {site.layer(), site.head()};
}

std::string Number(double value) {
  return std::isnan(value) ? "-" : absl::StrFormat("%+.4f", value);
}

// The deltas of the heads on their own.
std::map<SiteKey, double> Singles(const VariantMeans& means) {
  std::map<SiteKey, double> singles;
  for (size_t v = 0; v < means.n_variants(); ++v) {
    const auto& sites = means.manifest().variants[v].sites();
    if (sites.size() == 1) singles[KeyOf(sites.Get(0))] = means.At(v).delta;
  }
  return singles;
}

// The pairs with the largest magnitude of `value`, strongest first.
template <typename Value>
std::vector<size_t> Strongest(const VariantMeans& means, const Value& value) {
  std::vector<std::pair<double, size_t>> pairs;
  for (size_t v = 0; v < means.n_variants(); ++v) {
    if (means.manifest().variants[v].sites_size() != 2) continue;
    const double strength = value(means.At(v));
    if (!std::isnan(strength)) pairs.emplace_back(-std::abs(strength), v);
  }
  const size_t n = std::min(kShown, pairs.size());
  std::partial_sort(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(n), pairs.end());
  std::vector<size_t> strongest;
  strongest.reserve(n);
  for (size_t i = 0; i < n; ++i) strongest.push_back(pairs[i].second);
  return strongest;
}

}  // namespace

std::vector<std::string> DrawPairs(const Legend& legend, const VariantMeans& means, Color color) {
  const auto singles = Singles(means);
  std::vector<std::string> lines;
  const auto table = [&](const char* title, const std::vector<size_t>& pairs) {
    lines.push_back("");
    lines.push_back(Bold(color, title));
    lines.push_back(absl::StrFormat(kFormat, "pair", "both", "first", "second", "interaction", "top-1 kept"));
    for (const size_t v : pairs) {
      const auto at = means.At(v);
      const auto& sites = means.manifest().variants[v].sites();
      const auto single = [&](int i) {
        const auto found = singles.find(KeyOf(sites.Get(i)));
        return found == singles.end() ? std::nan("") : found->second;
      };
      lines.push_back(absl::StrFormat(kFormat, legend.VariantLabel(static_cast<int32_t>(v)), Number(at.delta),
                                      Number(single(0)), Number(single(1)), Number(at.interaction),
                                      absl::StrFormat("%.0f %%", 100 * at.top1_share)));
    }
  };
  table("Strongest pairs", Strongest(means, [](const VariantMeans::Means& at) { return at.delta; }));
  table("Strongest interactions", Strongest(means, [](const VariantMeans::Means& at) { return at.interaction; }));
  lines.emplace_back("interaction: what both do beyond the sum of each; 0: they act on their own");
  return lines;
}

}  // namespace ablate::cli
