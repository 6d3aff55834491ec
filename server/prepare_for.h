// Prepare with what a server has for a tenant.
#pragma once

#include <functional>
#include <string>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/backend.h"
#include "server/prepare.h"

namespace ablate {

// As Prepare, with the tenant's mean libraries. `limits` are the server's of a request or of a job.
absl::StatusOr<PreparedRequest> PrepareFor(const std::string& tenant, const ablation::v1::AblateRequest& request,
                                           const RequestLimits& limits, const Backend& backend,
                                           std::function<absl::Status()> go_on, absl::Span<const Site> order = {});

}  // namespace ablate
