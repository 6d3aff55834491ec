// The means of every head's output over a data set, in memory.
#pragma once

#include <cstdint>
#include <vector>

#include "ablation/v1/means.pb.h"

namespace ablate {

// Immutable once made.
struct MeanLibrary {
  // Id, options, hashes, counts; `templates` are the groups G in order (one empty name where they are not grouped) and
  // `n_positions` is P.
  ablation::v1::MeanLibrary info;
  int32_t n_layers = 0, n_heads = 0, d_head = 0;
  // [G, L, H, P, Dh]
  std::vector<double> mean;
  // [G, P]: tokens that went into a mean. One under info.options.min_count must not be used.
  std::vector<int64_t> count;
};

}  // namespace ablate
