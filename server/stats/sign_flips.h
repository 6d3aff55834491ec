// Sign-flip test over clusters of H0 |mean| <= min_effect, for a family of entries at once.
//
// Under "the mean is 0 and clusters are symmetric about it" a cluster's values for all entries may change sign together
// without changing their joint distribution: the flips, shared by all entries, give the null distribution with the
// entries' correlations in it (Westfall and Young 1993, "Resampling-Based Multiple Testing"; Winkler et al. 2014,
// "Permutation inference for the general linear model").
//
// Clusters that are skewed about their mean, all to one side, are rejected too often, as by any t test, the less the
// more clusters there are (docs/adr/0004-statistics-over-clusters.md has figures).
//
// The composite null's largest error is at its edge, |mean| = min_effect (Lehmann and Romano 2005, "Testing Statistical
// Hypotheses", section 4.2). So clusters are flipped about the edge on the mean's side: with s the mean's sign and
// y = s x - min_effect, a flip's replicate has the mean m* = min_effect + mean(+-y), and the statistic of data and
// replicates alike is
//
//   T = (|mean| - min_effect) / sem,
//
// whose two tails both count: with min_effect 0 it is |t|, two-sided; where min_effect is many standard errors only one
// tail is in reach (the t test's form of it is TREAT, see t_test.h). Studentised, so that entries with different spread
// weigh alike.
//
// p_fwer is step-down max-T: the k-th largest statistic is compared with the maximum over itself and all smaller ones,
// and made monotone (Westfall and Young's algorithm 2.8). It holds the family-wise error rate as single-step does,
// costs nothing more here, and is never larger.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ablate::stats {

struct SignFlipOptions {
  int32_t flips = 10'000;
  uint64_t seed = 0;
  // >= 0
  double min_effect = 0.0;
  // Entries with values in fewer clusters are no part of the family. >= 2
  int32_t min_clusters = 20;
  // Asked now and then: its error ends the work and is returned.
  std::function<absl::Status()> go_on = nullptr;
};

struct SignFlipTest {
  // [E], of each entry alone; NaN where there are too few clusters.
  std::vector<double> p;
  // [E], p_fwer.
  std::vector<double> p_fwer;
  // Flips that were made; 0 where no entry has enough clusters.
  int64_t flips = 0;
  // All 2^C flips were made, the data's own among them: p is count / flips. Elsewhere (count + 1) / (flips + 1), which
  // random flips need to hold their level (Phipson and Smyth 2010, "Permutation p-values should never be zero").
  bool exact = false;
};

// Of cluster_means [E, C] (NaN: the cluster has no such value), one family.
absl::StatusOr<SignFlipTest> TestBySignFlips(absl::Span<const double> cluster_means, int32_t n_clusters,
                                             const SignFlipOptions& options);

}  // namespace ablate::stats
