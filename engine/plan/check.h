// What a batch must be before it is planned.
#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/plan/plan.h"

namespace ablate {

// InvalidArgument names the first field out of range, what came and what was expected. Heads are checked from below
// only: the planner does not know how many there are.
absl::Status CheckPrompt(const PlanPrompt& prompt, int32_t n_layers);
// The same for a batch, its options included; the field's path begins with `prompts[i]`.
absl::Status CheckBatch(absl::Span<const PlanPrompt> prompts, const PlanOptions& options);

}  // namespace ablate
