// What a mean store says, as the service's clients are told it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/means/mean_store.h"
#include "server/means/tenant_means.h"

namespace ablate {

// A status of a MeanStore with ErrorInfo, and without the paths that its message names: they go to the log.
absl::Status StoreError(const absl::Status& status);

// The tenant's store; null where there is none (`means` is null).
absl::StatusOr<MeanStore*> StoreOf(TenantMeans* means, const std::string& tenant);

// FAILED_PRECONDITION where there is none.
absl::StatusOr<MeanStore*> RequireStore(TenantMeans* means, const std::string& tenant);

// The same where it cannot be written to.
absl::StatusOr<MeanStore*> RequireWritableStore(TenantMeans* means, const std::string& tenant);

}  // namespace ablate
