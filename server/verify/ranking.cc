#include "server/verify/ranking.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <vector>

namespace ablate {
namespace {

// Indices of the k largest by |value|, rising.
std::vector<size_t> Strongest(absl::Span<const double> values, int32_t k) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t i, size_t j) { return std::abs(values[i]) > std::abs(values[j]); });
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

int32_t TopOverlap(absl::Span<const double> a, absl::Span<const double> b, int32_t k) {
  const std::vector<size_t> x = Strongest(a, k), y = Strongest(b, k);
  std::vector<size_t> both;
  std::set_intersection(x.begin(), x.end(), y.begin(), y.end(), std::back_inserter(both));
  return static_cast<int32_t>(both.size());
}

}  // namespace ablate
