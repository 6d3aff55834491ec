// Sites that a request names by text.
#pragma once

#include <string>
#include <vector>

#include "ablation/v1/experiment.pb.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/plan/sweep.h"

namespace ablate {

// Bytes of a group's name: random sets carry it on.
inline constexpr size_t kMaxGroupName = 200;

// The sites that a filter lets pass. BadField names what is wrong under `field`, as everywhere below.
absl::StatusOr<std::vector<Site>> FilteredSites(const ablation::v1::SiteFilter& filter, ModelShape shape,
                                                const std::string& field);

// The groups, each with a name of its own (but that unnamed ones of equal sites share theirs), of sites that are among
// `allowed`, which are in layer-head order. Every pattern names one of those at least.
absl::StatusOr<std::vector<SiteSet>> GroupSets(
    const google::protobuf::RepeatedPtrField<ablation::v1::SiteGroup>& groups, ModelShape shape,
    absl::Span<const Site> allowed, const std::string& field);

// Sites in the order in which they are named, each once, all among `allowed`.
absl::StatusOr<std::vector<Site>> OrderedSites(const google::protobuf::RepeatedPtrField<std::string>& order,
                                               ModelShape shape, absl::Span<const Site> allowed,
                                               const std::string& field);

}  // namespace ablate
