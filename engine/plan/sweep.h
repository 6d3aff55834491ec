// Sweeps: rules that produce the sets of sites that are edited together. Pure functions of sites.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/plan/site.h"

namespace ablate {

// Which sites a sweep is about: those that pass all three. An empty list lets all pass.
struct SiteFilter {
  std::vector<int32_t> layers;
  std::vector<int32_t> heads;
  // Sites or patterns (ParseSitePattern).
  std::vector<std::string> sites;
};

// In layer-head order. InvalidArgument begins with the field at fault, `layers[1]` or `sites[0]`, and tells the value
// and the range: one out of range, one named twice, a filter that nothing passes.
absl::StatusOr<std::vector<Site>> SelectSites(const SiteFilter& filter, ModelShape shape);

// A set of sites that are edited together, and where it comes from.
struct SiteSet {
  // In layer-head order, each once.
  std::vector<Site> sites;
  // Of a group; empty: none.
  std::string name;
  // Of AllButSets: the index of the group that is kept, or that the random one is compared with; -1: none.
  int32_t group = -1;
  bool is_random = false;
};

// Each site on its own.
std::vector<SiteSet> HeadSets(absl::Span<const Site> sites);

// The sites of each layer together.
std::vector<SiteSet> LayerSets(absl::Span<const Site> sites);

// Each site on its own, then every two of them: n + n (n - 1) / 2 sets.
std::vector<SiteSet> PairSets(absl::Span<const Site> sites);

// All sites (a group that keeps nothing), then for each group all sites but its own, then for each group `random_sets`
// sets that each keep as many sites, drawn from `sites` by `seed`. Groups are subsets of `sites`.
std::vector<SiteSet> AllButSets(absl::Span<const Site> sites, absl::Span<const SiteSet> groups, int32_t random_sets,
                                uint64_t seed);

// The first site of `order`, the first two, and so on, `steps` sets; 0: all.
std::vector<SiteSet> CumulativeSets(absl::Span<const Site> order, int32_t steps);

}  // namespace ablate
