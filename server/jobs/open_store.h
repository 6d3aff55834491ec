// Where a server's jobs are: --jobs-dir, or a folder of the user's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/jobs/job_store.h"

namespace ablate {

// `jobs_dir`: nullopt is a folder of the user's, and no store (null, with a warning) where that cannot be used, say because
// another server has it; an empty one is no store. Errors as JobStore::Open's.
absl::StatusOr<std::unique_ptr<JobStore>> OpenJobStore(const std::optional<std::string>& jobs_dir);

}  // namespace ablate
