#include "server/stats/clusters.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "server/stats/random.h"

namespace ablate::stats {

Clusters MakeClusters(absl::Span<const std::string> templates) {
  Clusters clusters;
  clusters.of_prompt.reserve(templates.size());
  absl::flat_hash_map<std::string_view, int32_t> known;
  for (const std::string& name : templates) {
    const int32_t cluster = name.empty() ? clusters.count : known.try_emplace(name, clusters.count).first->second;
    if (cluster == clusters.count) ++clusters.count;
    clusters.of_prompt.push_back(cluster);
  }
  clusters.assumes_iid = known.empty();
  return clusters;
}

std::vector<double> ClusterMeans(absl::Span<const double> values, size_t n_entries, const Clusters& clusters) {
  const size_t n_clusters = clusters.count;
  std::vector<int32_t> prompts(clusters.of_prompt.size());
  std::iota(prompts.begin(), prompts.end(), 0);
  std::stable_sort(prompts.begin(), prompts.end(),
                   [&clusters](int32_t a, int32_t b) { return clusters.of_prompt[a] < clusters.of_prompt[b]; });

  std::vector<double> means(n_entries * n_clusters);  // [E, C]
  std::vector<double> sum(n_entries);
  std::vector<int32_t> count(n_entries);
  size_t next = 0;
  for (size_t cluster = 0; cluster < n_clusters; ++cluster) {
    std::fill(sum.begin(), sum.end(), 0.0);
    std::fill(count.begin(), count.end(), 0);
    for (; next < prompts.size() && clusters.of_prompt[prompts[next]] == static_cast<int32_t>(cluster); ++next) {
      const double* row = values.data() + prompts[next] * n_entries;
      for (size_t e = 0; e < n_entries; ++e) {
        if (std::isnan(row[e])) continue;
        sum[e] += row[e];
        ++count[e];
      }
    }
    for (size_t e = 0; e < n_entries; ++e) {
      means[e * n_clusters + cluster] = count[e] == 0 ? std::numeric_limits<double>::quiet_NaN() : sum[e] / count[e];
    }
  }
  return means;
}

std::vector<bool> DrawHalf(int32_t n_clusters, uint64_t seed) {
  Random random(seed, Stream::kSplit);
  std::vector<bool> drawn(n_clusters, false);
  std::fill_n(drawn.begin(), n_clusters / 2, true);
  // Fisher and Yates; std::shuffle's use of its generator is not specified.
  for (int32_t i = n_clusters - 1; i > 0; --i) {
    const auto other = static_cast<int32_t>(random.Below(i + 1));
    const bool swapped = drawn[i];
    drawn[i] = drawn[other];
    drawn[other] = swapped;
  }
  return drawn;
}

}  // namespace ablate::stats
