// Normalised metrics over prompts.
#pragma once

#include "absl/types/span.h"

namespace ablate::stats {

// mean(numerator) / mean(denominator), both over the clusters that have both: a ratio of means, since a mean of ratios
// is ruled by the few whose denominator is near 0. NaN where |mean(denominator)| < min_denominator or is 0, or nothing
// is there.
double RatioOfMeans(absl::Span<const double> numerator, absl::Span<const double> denominator, double min_denominator);

}  // namespace ablate::stats
