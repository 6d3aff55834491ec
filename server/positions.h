// Positions of a request, resolved for a prompt's length.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ablation/v1/experiment.pb.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/plan/site.h"

namespace ablate {

// Most entries of a request's list of positions: each is looked at once for each prompt.
inline constexpr int kMaxPositionEntries = 10'000;

// The positions of a prompt of `n_tokens` tokens that `positions` names, rising, each once; all where it is empty.
// BadField names the entry under `field`, the prompt (`prompts[3]`) and its length.
absl::StatusOr<std::vector<int32_t>> ResolvePositions(const ablation::v1::Positions& positions, int32_t n_tokens,
                                                      const std::string& field, const std::string& prompt);

// 0 .. n_tokens - 1.
std::vector<int32_t> AllPositions(int32_t n_tokens);

// The longest ranges that cover `positions`, which rise, and nothing else.
std::vector<PositionRange> AsRanges(absl::Span<const int32_t> positions);

}  // namespace ablate
