#include "server/stats/bootstrap.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "server/stats/loops.h"
#include "server/stats/moments.h"
#include "server/stats/resampler.h"

namespace ablate::stats {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
// Values of t* that are kept at a time, and clusters of resamples: 32 MB and 24 MB.
constexpr size_t kMaxKept = size_t{1} << 22;
constexpr size_t kMaxDrawn = size_t{1} << 21;

// Up to kColumns entries side by side. Deviations from the mean: their squares cancel less.
struct Panel {
  std::vector<double> deviation;  // [C, kColumns], 0 where there is no value
  std::vector<double> square;     // [C, kColumns]
  std::vector<double> present;    // [C, kColumns], 1 or 0; empty: all 1
};

Panel Pack(absl::Span<const double> values, size_t n_clusters, absl::Span<const Moments> moments) {
  Panel panel;
  panel.deviation.assign(n_clusters * kColumns, 0.0);
  panel.square.assign(n_clusters * kColumns, 0.0);
  const bool complete = std::all_of(moments.begin(), moments.end(),
                                    [&](const Moments& m) { return m.n == static_cast<int32_t>(n_clusters); });
  if (!complete) panel.present.assign(n_clusters * kColumns, 0.0);
  for (size_t j = 0; j < moments.size(); ++j) {
    for (size_t c = 0; c < n_clusters; ++c) {
      const double value = values[j * n_clusters + c];
      if (std::isnan(value)) continue;
      const double deviation = value - moments[j].mean;
      panel.deviation[c * kColumns + j] = deviation;
      panel.square[c * kColumns + j] = deviation * deviation;
      if (!complete) panel.present[c * kColumns + j] = 1.0;
    }
  }
  return panel;
}

// t* of one entry from the sums over a resample. Where the resample does not vary, an infinite one: the interval is
// then as wide as its rank asks.
double StudentisedMean(double n, double sum, double squares, size_t n_clusters) {
  if (n < 1.0) return 0.0;
  const double mean = sum / n;
  const double second = squares / n;
  const double variance = second - mean * mean;
  // What rounding leaves of 0: the sums have at most C terms.
  if (n < 2.0 || variance <= 4.0 * static_cast<double>(n_clusters) * kEpsilon * second) {
    return mean > 0.0 ? kInfinity : mean < 0.0 ? -kInfinity : 0.0;
  }
  return mean / std::sqrt(variance / (n - 1.0));
}

// t* of one panel under some resamples, into kept[j * stride + b].
void Studentise(const Panel& panel, absl::Span<const Resample> resamples, size_t n_columns, size_t n_clusters,
                double* kept, size_t stride) {
  std::array<double, kColumns> sum{};
  std::array<double, kColumns> squares{};
  std::array<double, kColumns> count{};
  count.fill(static_cast<double>(n_clusters));
  for (size_t b = 0; b < resamples.size(); ++b) {
    const Resample& drawn = resamples[b];
    const auto sum_rows = [&drawn](const std::vector<double>& of, std::array<double, kColumns>& into) {
      SumRows(drawn.cluster.data(), drawn.times.data(), drawn.cluster.size(), of.data(), into.data());
    };
    sum_rows(panel.deviation, sum);
    sum_rows(panel.square, squares);
    if (!panel.present.empty()) sum_rows(panel.present, count);
    for (size_t j = 0; j < n_columns; ++j) {
      kept[j * stride + b] = StudentisedMean(count[j], sum[j], squares[j], n_clusters);
    }
  }
}

std::vector<Resample> DrawSome(Resampler& resampler, size_t at_most, size_t n_clusters) {
  std::vector<Resample> resamples(std::min(at_most, std::max<size_t>(1, kMaxDrawn / n_clusters)));
  for (Resample& resample : resamples) resample = resampler.Next();
  return resamples;
}

Interval IntervalOf(const Moments& moments, absl::Span<double> t, double coverage) {
  if (!(moments.sem > 0.0)) return {};
  const double tail = (1.0 - coverage) / 2.0;
  const Interval interval = {.low = moments.mean - Quantile(t, 1.0 - tail) * moments.sem,
                             .high = moments.mean - Quantile(t, tail) * moments.sem};
  return std::isfinite(interval.low) && std::isfinite(interval.high) ? interval : Interval{};
}

}  // namespace

double Quantile(absl::Span<double> values, double probability) {
  const double rank = probability * (static_cast<double>(values.size()) + 1.0);
  const double whole = std::floor(rank);
  if (whole < 1.0) return -kInfinity;
  if (whole >= static_cast<double>(values.size())) return kInfinity;
  const auto below = values.begin() + static_cast<ptrdiff_t>(whole) - 1;
  std::nth_element(values.begin(), below, values.end());
  return *below + (rank - whole) * (*std::min_element(below + 1, values.end()) - *below);
}

absl::StatusOr<std::vector<Interval>> StudentisedIntervals(absl::Span<const double> cluster_means, int32_t n_clusters,
                                                           const BootstrapOptions& options) {
  const size_t n = n_clusters;
  const size_t n_entries = cluster_means.size() / n;
  const size_t n_resamples = options.resamples;
  std::vector<Interval> intervals(n_entries);
  // A whole number of panels, which share the resamples.
  const size_t n_kept = std::max<size_t>(1, kMaxKept / n_resamples / kColumns) * kColumns;
  std::vector<double> kept(std::min(n_kept, n_entries) * n_resamples);  // [entries, B]
  for (size_t first = 0; first < n_entries; first += n_kept) {
    const size_t end = std::min(n_entries, first + n_kept);
    std::vector<Moments> moments;
    for (size_t e = first; e < end; ++e) moments.push_back(MomentsOf(cluster_means.subspan(e * n, n)));

    Resampler resampler(n_clusters, options.seed);
    for (size_t done = 0; done < n_resamples;) {
      const std::vector<Resample> resamples = DrawSome(resampler, n_resamples - done, n);
      for (size_t e = first; e < end; e += kColumns) {
        if (options.go_on != nullptr) {
          if (absl::Status status = options.go_on(); !status.ok()) return status;
        }
        const size_t columns = std::min(kColumns, end - e);
        const Panel panel = Pack(cluster_means.subspan(e * n, columns * n), n,
                                 absl::MakeConstSpan(moments).subspan(e - first, columns));
        Studentise(panel, resamples, columns, n, &kept[(e - first) * n_resamples + done], n_resamples);
      }
      done += resamples.size();
    }
    for (size_t e = first; e < end; ++e) {
      intervals[e] = IntervalOf(moments[e - first], absl::MakeSpan(&kept[(e - first) * n_resamples], n_resamples),
                                options.coverage);
    }
  }
  return intervals;
}

}  // namespace ablate::stats
