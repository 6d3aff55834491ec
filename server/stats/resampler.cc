#include "server/stats/resampler.h"

#include <algorithm>
#include <cstddef>

namespace ablate::stats {

Resampler::Resampler(int32_t n_clusters, uint64_t seed) : random_(seed, Stream::kBootstrap), times_(n_clusters) {}

Resample Resampler::Next() {
  std::fill(times_.begin(), times_.end(), 0);
  for (size_t i = 0; i < times_.size(); ++i) ++times_[random_.Below(times_.size())];
  Resample resample;
  for (size_t i = 0; i < times_.size(); ++i) {
    if (times_[i] == 0) continue;
    resample.cluster.push_back(static_cast<int32_t>(i));
    resample.times.push_back(times_[i]);
  }
  return resample;
}

}  // namespace ablate::stats
