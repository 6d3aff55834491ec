#include "engine/scan_plan.h"

#include <vector>

namespace ablate {

PlanPrompt AsPlanPrompt(const Scan& scan) {
  return {.n_tokens = static_cast<int32_t>(scan.token_ids.size()),
          .variants = scan.variants,
          .read_positions = scan.read_positions,
          .has_donor = !scan.donor_token_ids.empty()};
}

absl::StatusOr<Planner> PlannerOf(absl::Span<const Scan> scans, const PlanOptions& options) {
  std::vector<PlanPrompt> prompts;
  prompts.reserve(scans.size());
  for (const Scan& scan : scans) prompts.push_back(AsPlanPrompt(scan));
  return Planner::Create(prompts, options);
}

}  // namespace ablate
