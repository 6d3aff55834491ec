// Prompts made from one template are alike: what counts as one observation is the template, a cluster.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace ablate::stats {

struct Clusters {
  // [P], 0 .. count - 1, numbered by first appearance.
  std::vector<int32_t> of_prompt;
  int32_t count = 0;
  // No prompt names a template: each is a cluster of its own.
  bool assumes_iid = false;
};

// Prompts of one template are a cluster. A prompt that names none (empty) is one of its own.
Clusters MakeClusters(absl::Span<const std::string> templates);

// Means over each cluster's prompts of values [P, E], as [E, C]: what follows reads them entry by entry. A NaN is a
// value that the prompt does not have, and is left out; NaN where no prompt of the cluster has one.
std::vector<double> ClusterMeans(absl::Span<const double> values, size_t n_entries, const Clusters& clusters);

// Half of the clusters (rounded down), drawn without replacement: [C], true for those drawn.
std::vector<bool> DrawHalf(int32_t n_clusters, uint64_t seed);

}  // namespace ablate::stats
