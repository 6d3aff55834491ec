// What a pair of sites does beyond its two sites: their deltas, brought together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/plan/sweep.h"
#include "server/wire_rows.h"

namespace ablate {

// Which single variants a pair consists of. Immutable, one for a request.
class PairIndex {
 public:
  // The variants of a sweep over pairs: every site on its own is among them.
  explicit PairIndex(absl::Span<const SiteSet> variants);

  struct Parts {
    // Variants; both -1 where it is no pair.
    int32_t first = -1, second = -1;
  };
  Parts PartsOf(int32_t variant) const { return parts_[static_cast<size_t>(variant)]; }

 private:
  std::vector<Parts> parts_;
};

// The pairs of one prompt. A pair's row waits until the rows of both of its sites have come: at most the prompt's rows.
class Interactions {
 public:
  Interactions(const PairIndex* index, PrimaryMetric primary) : index_(index), primary_(primary) {}

  // Takes rows that lack `interaction` and appends, with it, those that are complete now: unedited runs and single
  // sites at once, with 0. Rows whose primary metric is missing are appended without it.
  void Take(const WireRows& rows, WireRows& complete);

 private:
  // One unedited run read at one position.
  struct Group {
    // Delta of each single variant that has come.
    absl::flat_hash_map<int32_t, double> singles;
    // Rows of pairs, by the single variant that they wait for.
    absl::flat_hash_map<int32_t, WireRows> waiting;
  };
  using Key = std::tuple<int32_t, int32_t, int32_t>;

  void TakeRow(const WireRows& rows, size_t row, Group& group, WireRows& complete);

  const PairIndex* const index_;
  const PrimaryMetric primary_;
  // By replacement, edit position and read position.
  absl::flat_hash_map<Key, Group> groups_;
};

}  // namespace ablate
