// Which sites a request edits together.
#pragma once

#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/plan/sweep.h"

namespace ablate {

// Most variants of a prompt, replacements and edit positions multiplied in, and most sites in all of them together:
// what a scan's variants take in memory is some 100 bytes each.
inline constexpr int64_t kMaxVariants = 1'000'000;
inline constexpr int64_t kMaxVariantSites = 10'000'000;

// The sets of the request's sweep. Where a `heads` sweep must order the sites first, they are that sweep's where
// `order` is empty, and else the sweep's own. BadField names the field; RESOURCE_EXHAUSTED where there are too many.
absl::StatusOr<std::vector<SiteSet>> SweepSets(const ablation::v1::AblateRequest& request, ModelShape shape,
                                               absl::Span<const Site> order);

// RESOURCE_EXHAUSTED where a prompt would have more than kMaxVariants, or their edits more than kMaxVariantSites.
absl::Status CheckVariantCount(int64_t n_variants, int64_t n_sites, int64_t n_replacements, int64_t n_edit_positions);

}  // namespace ablate
