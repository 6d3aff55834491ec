// Whether two engines find the same heads to be the strongest.
#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace ablate {

// How many of the `k` entries with the largest |value| of `a` are among those of `b`; of equal ones the first count.
// The lists are of equal length, `k` or more.
int32_t TopOverlap(absl::Span<const double> a, absl::Span<const double> b, int32_t k);

}  // namespace ablate
