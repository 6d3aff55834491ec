#include "server/stats/flip_source.h"

namespace ablate::stats {

FlipSource::FlipSource(int32_t n_clusters, int64_t flips, uint64_t seed)
    : random_(seed, Stream::kSignFlips),
      n_groups_((n_clusters + 7) / 8),
      exact_(n_clusters < 62 && int64_t{1} << n_clusters < flips),
      total_(exact_ ? int64_t{1} << n_clusters : flips) {}

void FlipSource::Next(size_t n, std::vector<uint8_t>& bytes) {
  bytes.resize(n_groups_ * n);
  for (size_t i = 0; i < n; ++i) {
    // Eight groups share 64 bits, the first the lowest.
    for (size_t group = 0; group < n_groups_; group += 8) {
      uint64_t bits = exact_ ? next_++ : random_.Bits();
      for (size_t g = group; g < n_groups_ && g < group + 8; ++g, bits >>= 8) {
        bytes[g * n + i] = static_cast<uint8_t>(bits);
      }
    }
  }
}

}  // namespace ablate::stats
