#include "server/stats/moments.h"

#include <cmath>
#include <cstddef>

namespace ablate::stats {
namespace {

int Sign(double value) {
  return (value > 0.0) - (value < 0.0);
}

// Share of hits among the prompts that have a value. `is_hit(i, e)` is asked about values[i], of entry e.
template <typename IsHit>
std::vector<double> Shares(absl::Span<const double> values, size_t n_entries, const IsHit& is_hit) {
  std::vector<double> hits(n_entries, 0.0);
  std::vector<double> count(n_entries, 0.0);
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    const size_t e = i % n_entries;
    count[e] += 1.0;
    if (is_hit(i, e)) hits[e] += 1.0;
  }
  for (size_t e = 0; e < n_entries; ++e) hits[e] /= count[e];  // 0 / 0 is NaN
  return hits;
}

}  // namespace

Moments MomentsOf(absl::Span<const double> values) {
  Moments moments;
  double sum = 0.0;
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    low = value < low ? value : low;
    high = value > high ? value : high;
    ++moments.n;
  }
  if (moments.n == 0) return moments;
  // The rounded mean of equal values need not equal them.
  moments.mean = low == high ? low : sum / moments.n;
  if (moments.n < 2) return moments;
  double squares = 0.0;
  for (const double value : values) {
    if (!std::isnan(value)) squares += (value - moments.mean) * (value - moments.mean);
  }
  moments.std = std::sqrt(squares / (moments.n - 1));
  moments.sem = moments.std / std::sqrt(moments.n);
  return moments;
}

std::vector<double> SignShares(absl::Span<const double> values, absl::Span<const double> means) {
  return Shares(values, means.size(), [&](size_t i, size_t e) { return Sign(values[i]) == Sign(means[e]); });
}

std::vector<double> FlagShares(absl::Span<const uint8_t> flags, absl::Span<const double> values, size_t n_entries) {
  return Shares(values, n_entries, [&](size_t i, size_t) { return flags[i] != 0; });
}

}  // namespace ablate::stats
