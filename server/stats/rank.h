// How alike two lists order the same things.
#pragma once

#include <vector>

#include "absl/types/span.h"

namespace ablate::stats {

// Ranks from 1; equal values share the mean of theirs. No NaN.
std::vector<double> AverageRanks(absl::Span<const double> values);

// Spearman's rank correlation, -1 .. 1: Pearson's of the average ranks. Pairs with a NaN are left out. NaN where fewer
// than two are left or one side does not vary. Both of one length.
double Spearman(absl::Span<const double> first, absl::Span<const double> second);

}  // namespace ablate::stats
