// Order statistics of absolute errors.
#pragma once

#include <cstdint>
#include <vector>

namespace ablate {

struct ErrorStats {
  int64_t n_values = 0;
  double median = 0;
  // The 99.9th percentile by nearest rank, rounded up: of n values the ceil(0.999 n)th smallest. Under 1,000 values
  // that is the largest; of n more than 1,000 about n / 1000 lie above it.
  double floor = 0;
  double worst = 0;
};

// Of finite values >= 0, in any order. All 0 where there are none.
ErrorStats MakeErrorStats(std::vector<double> errors);

}  // namespace ablate
