#include "server/sweep_request.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/prepare.h"
#include "server/quote.h"
#include "server/site_groups.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

constexpr int32_t kMaxRandomSets = 1'000;

// Of `n` sites' pairs: each site, then every two.
absl::Status CheckPairCount(int64_t n) {
  return CheckVariantCount(n * (n + 1) / 2, n * n, 1, 1);
}

absl::StatusOr<std::vector<SiteSet>> Pairs(const pb::PairsSweep& pairs, absl::Span<const Site> sites,
                                           absl::Span<const Site> order) {
  const auto n_sites = static_cast<int64_t>(sites.size());
  if (n_sites < 2) {
    return BadField("sweep.filter", "SWEEP_EMPTY", "1 site passes, expected at least 2 for `pairs`");
  }
  const int32_t strongest = pairs.strongest();
  if (strongest != 0 && (strongest < 2 || strongest > n_sites)) {
    return BadField("sweep.pairs.strongest", "SITE_COUNT_OUT_OF_RANGE",
                    absl::StrCat("got ", strongest, ", expected ", Between(2, n_sites),
                                 " (the sites of the sweep), or 0 for all of them"));
  }
  if (absl::Status status = CheckPairCount(strongest == 0 ? n_sites : strongest); !status.ok()) return status;
  if (strongest == 0) return PairSets(sites);
  if (order.empty()) return HeadSets(sites);
  std::vector<Site> chosen(order.begin(), order.begin() + strongest);
  std::sort(chosen.begin(), chosen.end());
  return PairSets(chosen);
}

absl::StatusOr<std::vector<SiteSet>> AllBut(const pb::AllButSweep& all_but, absl::Span<const Site> sites,
                                            ModelShape shape) {
  if (all_but.random_sets() < 0 || all_but.random_sets() > kMaxRandomSets) {
    return BadField("sweep.all_but.random_sets", "COUNT_OUT_OF_RANGE",
                    absl::StrCat("got ", all_but.random_sets(), ", expected 0 .. ", kMaxRandomSets));
  }
  auto groups = GroupSets(all_but.keep(), shape, sites, "sweep.all_but.keep");
  if (!groups.ok()) return groups.status();
  for (size_t g = 0; g < groups->size(); ++g) {
    if ((*groups)[g].sites.size() < sites.size()) continue;
    return BadField(absl::StrCat("sweep.all_but.keep[", g, "].sites"), "SWEEP_EMPTY",
                    absl::StrCat("all ", sites.size(), " sites of the sweep are kept, expected one to edit at least"));
  }
  const auto n_sets = static_cast<int64_t>(groups->size()) * (1 + all_but.random_sets()) + 1;
  const auto n_sites = n_sets * static_cast<int64_t>(sites.size());
  if (absl::Status status = CheckVariantCount(n_sets, n_sites, 1, 1); !status.ok()) return status;
  return AllButSets(sites, *groups, all_but.random_sets(), all_but.seed());
}

absl::StatusOr<std::vector<SiteSet>> Cumulative(const pb::CumulativeSweep& cumulative, absl::Span<const Site> sites,
                                                ModelShape shape, absl::Span<const Site> order) {
  auto given = OrderedSites(cumulative.order(), shape, sites, "sweep.cumulative.order");
  if (!given.ok()) return given.status();
  const auto n_sites = static_cast<int64_t>(given->empty() ? sites.size() : given->size());
  const int32_t steps = cumulative.steps();
  if (steps < 0 || steps > n_sites) {
    return BadField("sweep.cumulative.steps", "COUNT_OUT_OF_RANGE",
                    absl::StrCat("got ", steps, ", expected ", Between(1, n_sites),
                                 given->empty() ? " (the sites of the sweep)" : " (the sites of the order)",
                                 ", or 0 for all of them"));
  }
  const int64_t n_sets = steps == 0 ? n_sites : steps;
  if (absl::Status status = CheckVariantCount(n_sets, n_sets * (n_sets + 1) / 2, 1, 1); !status.ok()) return status;
  if (given->empty()) {
    if (order.empty()) return HeadSets(sites);
    given->assign(order.begin(), order.end());
  }
  if (cumulative.backwards()) std::reverse(given->begin(), given->end());
  return CumulativeSets(*given, steps);
}

// An order is what a `heads` sweep of this very request gave: all of its sites, each once.
absl::Status CheckOrder(absl::Span<const Site> order, absl::Span<const Site> sites) {
  if (order.empty()) return absl::OkStatus();
  std::vector<Site> sorted(order.begin(), order.end());
  std::sort(sorted.begin(), sorted.end());
  if (std::equal(sorted.begin(), sorted.end(), sites.begin(), sites.end())) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the order has ", order.size(), " sites, expected the sweep's ", sites.size(), ", each once"));
}

}  // namespace

absl::StatusOr<std::vector<SiteSet>> SweepSets(const pb::AblateRequest& request, ModelShape shape,
                                               absl::Span<const Site> order) {
  const pb::Sweep& sweep = request.sweep();
  auto sites = FilteredSites(sweep.filter(), shape, "sweep.filter");
  if (!sites.ok()) return sites.status();
  if (absl::Status status = CheckOrder(order, *sites); !status.ok()) return status;
  if (!request.has_sweep()) return HeadSets(*sites);
  switch (sweep.kind_case()) {
    case pb::Sweep::kHeads:
      return HeadSets(*sites);
    case pb::Sweep::kLayers:
      return LayerSets(*sites);
    case pb::Sweep::kPairs:
      return Pairs(sweep.pairs(), *sites, order);
    case pb::Sweep::kGroups:
      if (sweep.filter().ByteSizeLong() > 0) {
        return BadField("sweep.filter", "FILTER_OF_GROUPS", "set, expected none with `groups`, which name their sites");
      }
      return GroupSets(sweep.groups().groups(), shape, *sites, "sweep.groups.groups");
    case pb::Sweep::kAllBut:
      return AllBut(sweep.all_but(), *sites, shape);
    case pb::Sweep::kCumulative:
      return Cumulative(sweep.cumulative(), *sites, shape, order);
    case pb::Sweep::KIND_NOT_SET:
      break;
  }
  return BadField("sweep", "SWEEP_MISSING",
                  "no kind of sweep is set, expected `heads`, `layers`, `pairs`, `groups`, `all_but` or `cumulative`");
}

absl::Status CheckVariantCount(int64_t n_variants, int64_t n_sites, int64_t n_replacements, int64_t n_edit_positions) {
  const int64_t times = n_replacements * n_edit_positions;
  if (n_variants * times > kMaxVariants) {
    return OverQuota("TOO_MANY_VARIANTS",
                     absl::StrCat("sweep: a prompt has ", n_variants, " variants x ", n_replacements,
                                  " replacements x ", n_edit_positions, " edit positions = ", n_variants * times,
                                  ", expected at most ", kMaxVariants, ": sweep over fewer at a time"));
  }
  if (n_sites * times > kMaxVariantSites) {
    return OverQuota("TOO_MANY_EDITS", absl::StrCat("sweep: a prompt's variants have ", n_sites * times,
                                                    " edits together, expected at most ", kMaxVariantSites,
                                                    ": sweep over fewer at a time"));
  }
  return absl::OkStatus();
}

bool NeedsOrder(const pb::AblateRequest& request) {
  const pb::Sweep& sweep = request.sweep();
  return (sweep.has_pairs() && sweep.pairs().strongest() != 0) ||
         (sweep.has_cumulative() && sweep.cumulative().order().empty());
}

}  // namespace ablate
