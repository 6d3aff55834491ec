// The planner of scans, as GptEngine makes it, for engines that are not real.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/plan/plan.h"
#include "engine/types.h"

namespace ablate {

// It points to nothing of `scans` once it is made.
inline absl::StatusOr<Planner> PlannerOf(absl::Span<const Scan> scans, const PlanOptions& options) {
  std::vector<PlanPrompt> prompts;
  for (const Scan& scan : scans) {
    prompts.push_back({.n_tokens = static_cast<int32_t>(scan.token_ids.size()),
                       .variants = scan.variants,
                       .read_positions = scan.read_positions,
                       .has_donor = !scan.donor_token_ids.empty()});
  }
  return Planner::Create(prompts, options);
}

}  // namespace ablate
