// Whether there is room, and time, for what a request gives: checked before any work.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "server/prepare.h"

namespace ablate {

// Most work of a summary's bootstrap and of its sign flips, some 100 s each on one core. Work is
//
//   resamples x (clusters + 50) x (entries + 100), of which a core of a 2020s' Xeon does 2.6e9 a second,
//   flips x (clusters + 200) x (entries + 100 x replacements), 2.5e10 a second,
//
// measured with 5 to 100,000 clusters and 16 to 100,000 entries: what is added is the time that each draw takes beside
// its sums. Whatever kMaxDeltaValues lets in has fewer than these with the default number of draws.
inline constexpr int64_t kMaxBootstrapWork = 250'000'000'000;
inline constexpr int64_t kMaxSignFlipWork = 2'500'000'000'000;

// RESOURCE_EXHAUSTED where one prompt's results exceed kMaxResultBytes.
absl::Status CheckResultSize(const PreparedRequest& prepared);

// Where a summary is asked for: RESOURCE_EXHAUSTED where it takes more than kMaxDeltaValues, INVALID_ARGUMENT where its
// draws are more work than the above. `prepared` has the variants that are summarised.
absl::Status CheckSummarySize(const ablation::v1::AblateRequest& request, const PreparedRequest& prepared);

}  // namespace ablate
