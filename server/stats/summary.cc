#include "server/stats/summary.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/stats/bootstrap.h"
#include "server/stats/clusters.h"
#include "server/stats/moments.h"
#include "server/stats/multiplicity.h"
#include "server/stats/rank.h"
#include "server/stats/ratio.h"
#include "server/stats/sign_flips.h"
#include "server/stats/t_test.h"

namespace ablate::stats {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

absl::Status Bad(absl::string_view field, absl::string_view came, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", came, ", expected ", expected));
}

absl::Status CheckSize(absl::string_view field, size_t size, size_t expected) {
  if (size == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " has ", size, " values, expected ", expected));
}

absl::Status CheckFinite(absl::string_view field, absl::Span<const double> values, bool may_be_nan) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) || (may_be_nan && std::isnan(values[i]))) continue;
    return Bad(absl::StrCat(field, "[", i, "]"), absl::StrCat(values[i]), "a finite number");
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const SummaryOptions& options) {
  if (options.bootstrap_resamples < 100 || options.bootstrap_resamples > 100'000) {
    return Bad("bootstrap_resamples", absl::StrCat(options.bootstrap_resamples), "100 to 100000");
  }
  if (options.sign_flips < 10'000 || options.sign_flips > 1'000'000) {
    return Bad("sign_flips", absl::StrCat(options.sign_flips), "10000 to 1000000");
  }
  if (!(options.min_effect >= 0.0 && std::isfinite(options.min_effect))) {
    return Bad("min_effect", absl::StrCat(options.min_effect), "a finite number of at least 0");
  }
  if (!(options.min_denominator >= 0.0)) {
    return Bad("min_denominator", absl::StrCat(options.min_denominator), "at least 0");
  }
  if (options.min_test_clusters < 2) {
    return Bad("min_test_clusters", absl::StrCat(options.min_test_clusters), "at least 2");
  }
  return absl::OkStatus();
}

absl::Status CheckRatios(const SummaryInput& input) {
  const size_t n_prompts = input.templates.size();
  if (input.gap.size() % n_prompts != 0) {
    return Bad("gap", absl::StrCat(input.gap.size(), " values"), absl::StrCat("a multiple of ", n_prompts));
  }
  const auto n_gaps = static_cast<int32_t>(input.gap.size() / n_prompts);
  for (size_t e = 0; e < input.ratios.size(); ++e) {
    const EntryRatios& ratios = input.ratios[e];
    if (ratios.gap < -1 || ratios.gap >= n_gaps) {
      return Bad(absl::StrCat("ratios[", e, "].gap"), absl::StrCat(ratios.gap), absl::StrCat("-1 to ", n_gaps - 1));
    }
    if (ratios.none_kept < -1 || ratios.none_kept >= input.n_entries) {
      return Bad(absl::StrCat("ratios[", e, "].none_kept"), absl::StrCat(ratios.none_kept),
                 absl::StrCat("-1 to ", input.n_entries - 1));
    }
  }
  return absl::OkStatus();
}

absl::Status Check(const SummaryInput& input, const SummaryOptions& options) {
  const size_t n_prompts = input.templates.size();
  if (n_prompts < 1) return Bad("templates", "empty", "one a prompt");
  if (input.n_entries < 1) return Bad("n_entries", absl::StrCat(input.n_entries), "at least 1");
  if (input.n_families < 1 || input.n_entries % input.n_families != 0) {
    return Bad("n_families", absl::StrCat(input.n_families), absl::StrCat("a divisor of ", input.n_entries));
  }
  const size_t n_cells = n_prompts * input.n_entries;
  if (absl::Status status = CheckSize("delta", input.delta.size(), n_cells); !status.ok()) return status;
  if (absl::Status status = CheckFinite("delta", input.delta, /*may_be_nan=*/true); !status.ok()) return status;
  if (absl::Status status = CheckFinite("gap", input.gap, /*may_be_nan=*/false); !status.ok()) return status;
  if (!input.top1_preserved.empty()) {
    if (absl::Status status = CheckSize("top1_preserved", input.top1_preserved.size(), n_cells); !status.ok())
      return status;
  }
  if (!input.ratios.empty()) {
    if (absl::Status status = CheckSize("ratios", input.ratios.size(), input.n_entries); !status.ok()) return status;
  }
  if (absl::Status status = CheckRatios(input); !status.ok()) return status;
  return CheckOptions(options);
}

// What came of one family's test.
struct Tested {
  std::vector<double> p;
  std::vector<double> p_fwer;
  int64_t flips = 0;
};

absl::StatusOr<Tested> TestFamily(absl::Span<const double> means, int32_t n_clusters, const SummaryOptions& options) {
  if (options.test == Test::kSignFlips) {
    absl::StatusOr<SignFlipTest> test = TestBySignFlips(means, n_clusters,
                                                        {.flips = options.sign_flips,
                                                         .seed = options.seed,
                                                         .min_effect = options.min_effect,
                                                         .min_clusters = options.min_test_clusters,
                                                         .go_on = options.go_on});
    if (!test.ok()) return test.status();
    return Tested{.p = std::move(test->p), .p_fwer = std::move(test->p_fwer), .flips = test->flips};
  }
  Tested tested;
  for (size_t first = 0; first < means.size(); first += n_clusters) {
    const Moments moments = MomentsOf(means.subspan(first, n_clusters));
    tested.p.push_back(moments.n < options.min_test_clusters ? kNan : TTest(moments, options.min_effect));
  }
  tested.p_fwer = Holm(tested.p);
  return tested;
}

absl::Status AddTests(absl::Span<const double> means, int32_t n_families, const SummaryOptions& options,
                      SummaryTable& table) {
  const size_t n_values = means.size() / n_families;
  const auto append = [](std::vector<double>& to, const std::vector<double>& values) {
    to.insert(to.end(), values.begin(), values.end());
  };
  for (int32_t family = 0; family < n_families; ++family) {
    absl::StatusOr<Tested> tested = TestFamily(means.subspan(family * n_values, n_values), table.n_clusters, options);
    if (!tested.ok()) return tested.status();
    append(table.p, tested->p);
    append(table.p_fwer, tested->p_fwer);
    append(table.q_bh, BenjaminiHochberg(tested->p));
    append(table.q_by, BenjaminiYekutieli(tested->p));
    table.sign_flips = std::max(table.sign_flips, static_cast<int32_t>(tested->flips));
  }
  return absl::OkStatus();
}

void AddRatios(const SummaryInput& input, absl::Span<const double> means, const Clusters& clusters,
               double min_denominator, SummaryTable& table) {
  table.normalized.assign(input.n_entries, kNan);
  table.faithfulness.assign(input.n_entries, kNan);
  const size_t n = clusters.count;
  const std::vector<double> gaps =
      ClusterMeans(input.gap, input.gap.size() / input.templates.size(), clusters);  // [G, C]
  std::vector<double> above(n);
  std::vector<double> below(n);
  for (size_t e = 0; e < input.ratios.size(); ++e) {
    const EntryRatios& ratios = input.ratios[e];
    const absl::Span<const double> delta = means.subspan(e * n, n);
    if (ratios.gap >= 0) {
      const absl::Span<const double> gap = absl::MakeConstSpan(gaps).subspan(ratios.gap * n, n);
      for (size_t c = 0; c < n; ++c) above[c] = ratios.edits_corrupted ? delta[c] : delta[c] + gap[c];
      table.normalized[e] = RatioOfMeans(above, gap, min_denominator);
    }
    if (ratios.none_kept >= 0) {
      const absl::Span<const double> none = means.subspan(ratios.none_kept * n, n);
      for (size_t c = 0; c < n; ++c) {
        above[c] = delta[c] - none[c];
        below[c] = -none[c];
      }
      table.faithfulness[e] = RatioOfMeans(above, below, min_denominator);
    }
  }
}

void AddRankAgreement(int32_t n_families, SummaryTable& table) {
  const absl::Span<const double> means = table.mean;
  const size_t size = means.size() / n_families;
  for (int32_t first = 0; first < n_families; ++first) {
    for (int32_t second = first + 1; second < n_families; ++second) {
      table.rank_agreement.push_back(
          {first, second, Spearman(means.subspan(first * size, size), means.subspan(second * size, size))});
    }
  }
}

}  // namespace

absl::StatusOr<SummaryTable> Summarize(const SummaryInput& input, const SummaryOptions& options) {
  if (absl::Status status = Check(input, options); !status.ok()) return status;
  const Clusters clusters = MakeClusters(input.templates);
  const std::vector<double> means = ClusterMeans(input.delta, input.n_entries, clusters);  // [E, C]

  SummaryTable table;
  table.n_clusters = clusters.count;
  table.n_prompts = static_cast<int32_t>(input.templates.size());
  table.assumes_iid = clusters.assumes_iid;
  table.bootstrap_resamples = options.bootstrap_resamples;
  for (int32_t e = 0; e < input.n_entries; ++e) {
    const Moments moments =
        MomentsOf(absl::MakeConstSpan(means).subspan(static_cast<size_t>(e) * clusters.count, clusters.count));
    table.mean.push_back(moments.mean);
    table.std.push_back(moments.std);
    table.sem.push_back(moments.sem);
  }
  table.sign_share = SignShares(input.delta, table.mean);
  table.top1_share = input.top1_preserved.empty() ? std::vector<double>(input.n_entries, kNan)
                                                  : FlagShares(input.top1_preserved, input.delta, input.n_entries);

  const absl::StatusOr<std::vector<Interval>> intervals = StudentisedIntervals(
      means, clusters.count, {.resamples = options.bootstrap_resamples, .seed = options.seed, .go_on = options.go_on});
  if (!intervals.ok()) return intervals.status();
  for (const Interval& interval : *intervals) {
    table.ci_low.push_back(interval.low);
    table.ci_high.push_back(interval.high);
  }

  if (absl::Status status = AddTests(means, input.n_families, options, table); !status.ok()) return status;
  AddRatios(input, means, clusters, options.min_denominator, table);
  AddRankAgreement(input.n_families, table);
  return table;
}

}  // namespace ablate::stats
