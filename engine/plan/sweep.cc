#include "engine/plan/sweep.h"

#include <algorithm>
#include <random>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/plan/uniform.h"

namespace ablate {
namespace {

// Which of 0 .. count - 1 are chosen; all where `chosen` is empty.
absl::StatusOr<std::vector<bool>> Choose(const std::vector<int32_t>& chosen, int32_t count, const char* name) {
  if (count < 1) return absl::InvalidArgumentError(absl::StrCat("n_", name, ": got ", count, ", expected at least 1"));
  std::vector<bool> is_chosen(static_cast<size_t>(count), chosen.empty());
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i] < 0 || chosen[i] >= count) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, "[", i, "]: got ", chosen[i], ", expected 0 .. ", count - 1));
    }
    const auto index = static_cast<size_t>(chosen[i]);
    if (is_chosen[index]) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, "[", i, "]: got ", chosen[i], ", which is named twice, expected each once"));
    }
    is_chosen[index] = true;
  }
  return is_chosen;
}

// [L * H]: the sites that one of the patterns names; all where there is none.
absl::StatusOr<std::vector<bool>> ChooseSites(const std::vector<std::string>& patterns, ModelShape shape) {
  const auto n_heads = static_cast<size_t>(shape.n_heads);
  std::vector<bool> is_chosen(static_cast<size_t>(shape.n_layers) * n_heads, patterns.empty());
  for (size_t i = 0; i < patterns.size(); ++i) {
    const absl::StatusOr<std::vector<Site>> sites = ParseSitePattern(patterns[i], shape);
    if (!sites.ok()) return absl::InvalidArgumentError(absl::StrCat("sites[", i, "]: ", sites.status().message()));
    for (const auto [layer, head] : *sites) {
      is_chosen[static_cast<size_t>(layer) * n_heads + static_cast<size_t>(head)] = true;
    }
  }
  return is_chosen;
}

std::vector<Site> Without(absl::Span<const Site> sites, absl::Span<const Site> kept) {
  std::vector<Site> rest;
  std::set_difference(sites.begin(), sites.end(), kept.begin(), kept.end(), std::back_inserter(rest));
  return rest;
}

// `count` of the sites in layer-head order.
std::vector<Site> Draw(absl::Span<const Site> sites, size_t count, std::mt19937_64& random) {
  std::vector<Site> drawn(sites.begin(), sites.end());
  for (size_t i = 0; i < count; ++i) std::swap(drawn[i], drawn[i + UniformBelow(random, drawn.size() - i)]);
  drawn.resize(count);
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

}  // namespace

absl::StatusOr<std::vector<Site>> SelectSites(const SiteFilter& filter, ModelShape shape) {
  const absl::StatusOr<std::vector<bool>> layers = Choose(filter.layers, shape.n_layers, "layers");
  if (!layers.ok()) return layers.status();
  const absl::StatusOr<std::vector<bool>> heads = Choose(filter.heads, shape.n_heads, "heads");
  if (!heads.ok()) return heads.status();
  const absl::StatusOr<std::vector<bool>> named = ChooseSites(filter.sites, shape);
  if (!named.ok()) return named.status();
  std::vector<Site> sites;
  for (size_t l = 0; l < layers->size(); ++l) {
    for (size_t h = 0; h < heads->size(); ++h) {
      if ((*layers)[l] && (*heads)[h] && (*named)[l * heads->size() + h]) {
        sites.push_back({static_cast<int32_t>(l), static_cast<int32_t>(h)});
      }
    }
  }
  if (!sites.empty()) return sites;
  return absl::InvalidArgumentError("sites: none of them is in `layers` and `heads`, expected at least one site");
}

std::vector<SiteSet> HeadSets(absl::Span<const Site> sites) {
  std::vector<SiteSet> sets;
  sets.reserve(sites.size());
  for (const Site& site : sites) sets.push_back({.sites = {site}, .name = {}});
  return sets;
}

std::vector<SiteSet> LayerSets(absl::Span<const Site> sites) {
  std::vector<SiteSet> sets;
  for (const Site& site : sites) {
    if (sets.empty() || sets.back().sites.back().layer != site.layer) sets.emplace_back();
    sets.back().sites.push_back(site);
  }
  return sets;
}

std::vector<SiteSet> PairSets(absl::Span<const Site> sites) {
  std::vector<SiteSet> sets = HeadSets(sites);
  sets.reserve(sites.size() * (sites.size() + 1) / 2);
  for (size_t a = 0; a < sites.size(); ++a) {
    for (size_t b = a + 1; b < sites.size(); ++b) sets.push_back({.sites = {sites[a], sites[b]}, .name = {}});
  }
  return sets;
}

std::vector<SiteSet> AllButSets(absl::Span<const Site> sites, absl::Span<const SiteSet> groups, int32_t random_sets,
                                uint64_t seed) {
  std::vector<SiteSet> sets = {{.sites = {sites.begin(), sites.end()}, .name = {}}};
  for (size_t g = 0; g < groups.size(); ++g) {
    sets.push_back(
        {.sites = Without(sites, groups[g].sites), .name = groups[g].name, .group = static_cast<int32_t>(g)});
  }
  std::mt19937_64 random(seed);
  for (size_t g = 0; g < groups.size(); ++g) {
    for (int32_t r = 0; r < random_sets; ++r) {
      sets.push_back({.sites = Without(sites, Draw(sites, groups[g].sites.size(), random)),
                      .name = absl::StrCat(groups[g].name, ", random ", r),
                      .group = static_cast<int32_t>(g),
                      .is_random = true});
    }
  }
  return sets;
}

std::vector<SiteSet> CumulativeSets(absl::Span<const Site> order, int32_t steps) {
  const size_t n_sets = steps == 0 ? order.size() : static_cast<size_t>(steps);
  std::vector<SiteSet> sets;
  sets.reserve(n_sets);
  std::vector<Site> taken;
  for (const Site& site : order.first(n_sets)) {
    taken.insert(std::upper_bound(taken.begin(), taken.end(), site), site);
    sets.push_back({.sites = taken, .name = {}});
  }
  return sets;
}

}  // namespace ablate
