// Where a server's jobs are: --jobs-dir, or a folder of the user's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/jobs/job_store.h"

namespace ablate {

struct OpenedJobs {
  // Null: the server keeps no jobs.
  std::unique_ptr<JobStore> store = nullptr;
  // Why there is none.
  std::string why_none = {};
};

// `jobs_dir`: nullopt is a folder of the user's, and no store, with a warning, where another server has that or it
// cannot be made; an empty one is no store. Errors as JobStore::Open's: jobs of somebody's are in a store that is
// damaged or newer.
absl::StatusOr<OpenedJobs> OpenJobStore(const std::optional<std::string>& jobs_dir);

}  // namespace ablate
