// What a scan would take, were it alone: planned batch by batch as the scheduler would cut it, and nothing run.
#pragma once

#include <functional>
#include <string>

#include "ablation/v1/explain.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/backend.h"

namespace ablate {

// `go_on` is asked before each prompt that is prepared and before each batch: its error ends the work and is returned.
// Errors are otherwise those of the scan itself, but that it may cost ten times as much. Takes up to minutes.
absl::StatusOr<ablation::v1::ExplainPlanResponse> ExplainPlan(const std::string& tenant,
                                                              const ablation::v1::ExplainPlanRequest& request,
                                                              const Backend& backend,
                                                              const std::function<absl::Status()>& go_on);

}  // namespace ablate
