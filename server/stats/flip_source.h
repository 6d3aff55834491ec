// Sign patterns over clusters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/stats/random.h"

namespace ablate::stats {

// Random patterns, each sign + or - by one fair bit; or, where all 2^C patterns are fewer than those asked for, each of
// them once.
class FlipSource {
 public:
  // n_clusters and flips >= 1. Equal seeds, equal patterns.
  FlipSource(int32_t n_clusters, int64_t flips, uint64_t seed);

  // All patterns come, the one that changes no sign among them.
  bool exact() const { return exact_; }
  // Patterns that there will be: `flips`, or 2^C.
  int64_t total() const { return total_; }
  // Groups of eight clusters.
  size_t n_groups() const { return n_groups_; }

  // The next n patterns, as [n_groups, n]: bit k of bytes[g * n + i] is set where pattern i keeps cluster 8 g + k's
  // sign. Bits of clusters that do not exist mean nothing.
  void Next(size_t n, std::vector<uint8_t>& bytes);

 private:
  Random random_;
  size_t n_groups_;
  bool exact_;
  int64_t total_;
  uint64_t next_ = 0;  // Where exact: the next pattern.
};

}  // namespace ablate::stats
