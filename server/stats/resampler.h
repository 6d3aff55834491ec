// Bootstrap resamples of clusters.
#pragma once

#include <cstdint>
#include <vector>

#include "server/stats/random.h"

namespace ablate::stats {

// Which clusters a resample holds, rising, and how often each; the latter add up to the number of clusters.
struct Resample {
  std::vector<int32_t> cluster;
  std::vector<double> times;
};

// n of n clusters with replacement, again and again. Equal seeds, equal resamples.
class Resampler {
 public:
  Resampler(int32_t n_clusters, uint64_t seed);
  Resample Next();

 private:
  Random random_;
  std::vector<int32_t> times_;  // [C]
};

}  // namespace ablate::stats
