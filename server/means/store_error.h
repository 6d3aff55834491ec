// What a mean store says, as the service's clients are told it.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/means/mean_store.h"

namespace ablate {

// A status of a MeanStore with ErrorInfo.
absl::Status StoreError(const absl::Status& status);

// FAILED_PRECONDITION where there is no store (`means` is null).
absl::StatusOr<MeanStore*> RequireStore(MeanStore* means);

// The same where it cannot be written to.
absl::StatusOr<MeanStore*> RequireWritableStore(MeanStore* means);

}  // namespace ablate
