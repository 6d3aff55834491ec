#include "server/stats/multiplicity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace ablate::stats {
namespace {

// Indices of what is no NaN, by rising p.
std::vector<size_t> Rising(absl::Span<const double> p) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.size(); ++i) {
    if (!std::isnan(p[i])) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [p](size_t a, size_t b) { return p[a] < p[b]; });
  return order;
}

// Step-up: p_(k) * factor * m / k, made monotone from the largest p down.
std::vector<double> StepUp(absl::Span<const double> p, const std::vector<size_t>& order, double factor) {
  std::vector<double> adjusted(p.size(), std::numeric_limits<double>::quiet_NaN());
  const auto m = static_cast<double>(order.size());
  double least = 1.0;
  for (size_t k = order.size(); k > 0; --k) {
    least = std::min(least, p[order[k - 1]] * factor * m / static_cast<double>(k));
    adjusted[order[k - 1]] = least;
  }
  return adjusted;
}

}  // namespace

std::vector<double> Holm(absl::Span<const double> p) {
  const std::vector<size_t> order = Rising(p);
  std::vector<double> adjusted(p.size(), std::numeric_limits<double>::quiet_NaN());
  double most = 0.0;
  for (size_t k = 0; k < order.size(); ++k) {
    most = std::max(most, std::min(1.0, p[order[k]] * static_cast<double>(order.size() - k)));
    adjusted[order[k]] = most;
  }
  return adjusted;
}

std::vector<double> BenjaminiHochberg(absl::Span<const double> p) {
  return StepUp(p, Rising(p), 1.0);
}

std::vector<double> BenjaminiYekutieli(absl::Span<const double> p) {
  const std::vector<size_t> order = Rising(p);
  double harmonic = 0.0;
  for (size_t k = order.size(); k > 0; --k) harmonic += 1.0 / static_cast<double>(k);
  return StepUp(p, order, harmonic);
}

}  // namespace ablate::stats
