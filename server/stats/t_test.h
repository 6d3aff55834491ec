// A t test over clusters, where there are too many entries for sign flips.
#pragma once

#include "server/stats/moments.h"

namespace ablate::stats {

// p of H0 |mean| <= min_effect, with n - 1 degrees of freedom: P(T >= (|m| - min_effect) / sem) + P(T >= (|m| +
// min_effect) / sem), the chance of a mean at least as far from 0 at the null's edge, where it is largest (McCarthy and
// Smyth 2009, "Testing significance relative to a fold-change threshold is a TREAT"). With min_effect 0 Student's
// two-sided test. NaN where n < 2 or nothing varies.
double TTest(const Moments& moments, double min_effect);

}  // namespace ablate::stats
