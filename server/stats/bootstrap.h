// Studentised cluster bootstrap: confidence intervals of means without assuming their distribution (Davison and Hinkley
// 1997, "Bootstrap Methods and their Application", section 5.2.1; Cameron, Gelbach and Miller 2008 for clusters).
//
// Of each resample t* = (mean* - mean) / sem*; the interval is mean - q sem, q the quantiles of t*. Unlike the
// percentile bootstrap it is second-order accurate: its coverage error falls with 1 / n, skewed or not.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ablate::stats {

struct BootstrapOptions {
  int32_t resamples = 2000;
  uint64_t seed = 0;
  double coverage = 0.95;
  // Asked now and then: its error ends the work and is returned.
  std::function<absl::Status()> go_on = nullptr;
};

struct Interval {
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

// The quantile at `probability` of values, which it reorders: the (n + 1) probability-th of them in rising order,
// interpolated (NumPy's `weibull`), as Davison and Hinkley's (5.6) has it. Not finite where it would lie beyond the
// last, or next to an infinite one.
double Quantile(absl::Span<double> values, double probability);

// For each entry of cluster_means [E, C] (NaN: the cluster has no such value) the interval of its mean, from the same
// resamples. NaN where nothing varies, or so few clusters are there that a quantile is unbounded.
absl::StatusOr<std::vector<Interval>> StudentisedIntervals(absl::Span<const double> cluster_means, int32_t n_clusters,
                                                           const BootstrapOptions& options);

}  // namespace ablate::stats
