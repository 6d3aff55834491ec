#include "server/verify/error_stats.h"

#include <algorithm>
#include <cstddef>

namespace ablate {

ErrorStats MakeErrorStats(std::vector<double> errors) {
  const size_t n = errors.size();
  if (n == 0) return {};
  std::sort(errors.begin(), errors.end());
  // In integers: 0.999 * n is a hair above or below a whole number where it should be one.
  const size_t floor_rank = (999 * n + 999) / 1000;
  const size_t middle = n / 2;
  return {.n_values = static_cast<int64_t>(n),
          .median = n % 2 == 1 ? errors[middle] : (errors[middle - 1] + errors[middle]) / 2,
          .floor = errors[floor_rank - 1],
          .worst = errors.back()};
}

}  // namespace ablate
