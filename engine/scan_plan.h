// Scans as the planner sees them.
#pragma once

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/plan/plan.h"
#include "engine/types.h"

namespace ablate {

// It points into `scan`.
PlanPrompt AsPlanPrompt(const Scan& scan);

// Of all scans as one batch; points to nothing of them once it is made. Errors as Planner::Create's.
absl::StatusOr<Planner> PlannerOf(absl::Span<const Scan> scans, const PlanOptions& options);

}  // namespace ablate
