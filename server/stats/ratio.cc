#include "server/stats/ratio.h"

#include <cmath>
#include <cstddef>
#include <limits>

namespace ablate::stats {

double RatioOfMeans(absl::Span<const double> numerator, absl::Span<const double> denominator, double min_denominator) {
  double above = 0.0;
  double below = 0.0;
  double n = 0.0;
  for (size_t i = 0; i < numerator.size(); ++i) {
    if (std::isnan(numerator[i]) || std::isnan(denominator[i])) continue;
    above += numerator[i];
    below += denominator[i];
    n += 1.0;
  }
  if (n == 0.0 || below == 0.0 || std::fabs(below / n) < min_denominator) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return above / below;
}

}  // namespace ablate::stats
