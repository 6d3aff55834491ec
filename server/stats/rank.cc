#include "server/stats/rank.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

namespace ablate::stats {

std::vector<double> AverageRanks(absl::Span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [values](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    // The mean of begin + 1 .. end.
    const double rank = static_cast<double>(begin + 1 + end) / 2.0;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
  }
  return ranks;
}

double Spearman(absl::Span<const double> first, absl::Span<const double> second) {
  std::vector<double> a;
  std::vector<double> b;
  for (size_t i = 0; i < first.size(); ++i) {
    if (std::isnan(first[i]) || std::isnan(second[i])) continue;
    a.push_back(first[i]);
    b.push_back(second[i]);
  }
  const std::vector<double> rank_a = AverageRanks(a);
  const std::vector<double> rank_b = AverageRanks(b);
  const double middle = (static_cast<double>(a.size()) + 1.0) / 2.0;
  double aa = 0.0;
  double bb = 0.0;
  double ab = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    aa += (rank_a[i] - middle) * (rank_a[i] - middle);
    bb += (rank_b[i] - middle) * (rank_b[i] - middle);
    ab += (rank_a[i] - middle) * (rank_b[i] - middle);
  }
  if (aa == 0.0 || bb == 0.0) return std::numeric_limits<double>::quiet_NaN();
  return std::clamp(ab / (std::sqrt(aa) * std::sqrt(bb)), -1.0, 1.0);
}

}  // namespace ablate::stats
