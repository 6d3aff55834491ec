// p values of a family of hypotheses, adjusted for their number. A NaN stays NaN and does not count.
#pragma once

#include <vector>

#include "absl/types/span.h"

namespace ablate::stats {

// Family-wise error rate under any dependence (Holm 1979, "A simple sequentially rejective multiple test procedure").
std::vector<double> Holm(absl::Span<const double> p);

// False discovery rate, independent or positively dependent p values (Benjamini and Hochberg 1995).
std::vector<double> BenjaminiHochberg(absl::Span<const double> p);

// False discovery rate under any dependence (Benjamini and Yekutieli 2001): the above times 1 + 1/2 + ... + 1/m.
std::vector<double> BenjaminiYekutieli(absl::Span<const double> p);

}  // namespace ablate::stats
