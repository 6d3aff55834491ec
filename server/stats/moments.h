// Mean, standard deviation and standard error of one entry, and shares of prompts.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"

namespace ablate::stats {

struct Moments {
  // Values that are there.
  int32_t n = 0;
  // NaN where n is 0.
  double mean = std::numeric_limits<double>::quiet_NaN();
  // With n - 1; NaN where n < 2, exactly 0 where all values are equal.
  double std = std::numeric_limits<double>::quiet_NaN();
  // std / sqrt(n).
  double sem = std::numeric_limits<double>::quiet_NaN();
};

// NaNs are left out.
Moments MomentsOf(absl::Span<const double> values);

// For each entry the share of the prompts whose value has the sign of `means` (-, 0 or +): values [P, E], means [E].
// NaNs are left out; NaN where nothing is left.
std::vector<double> SignShares(absl::Span<const double> values, absl::Span<const double> means);

// For each entry the share of the prompts whose flag is set, among those that have a value: flags and values [P, E].
std::vector<double> FlagShares(absl::Span<const uint8_t> flags, absl::Span<const double> values, size_t n_entries);

}  // namespace ablate::stats
