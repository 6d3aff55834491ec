// What the calls about jobs do, without the calls: checks, and the store.
#pragma once

#include <functional>
#include <string>

#include "ablation/v1/jobs.pb.h"
#include "absl/status/status.h"
#include "server/backend.h"

namespace ablate {

// FAILED_PRECONDITION where the server keeps no jobs.
absl::Status RequireJobs(const Backend& backend);

// The store's errors as the service's.
absl::Status JobError(const absl::Status& status);

// Checks the whole request, prices and stores it. `parts` is the first part with the prompts of all.
absl::Status SubmitJob(const ablation::v1::SubmitJobRequest& parts, const std::string& tenant, const Backend& backend,
                       const std::function<absl::Status()>& go_on, ablation::v1::SubmitJobResponse& response);

absl::Status GetJob(const ablation::v1::GetJobRequest& request, const std::string& tenant, const Backend& backend,
                    ablation::v1::GetJobResponse& response);
absl::Status ListJobs(const ablation::v1::ListJobsRequest& request, const std::string& tenant, const Backend& backend,
                      ablation::v1::ListJobsResponse& response);
absl::Status CancelJob(const ablation::v1::CancelJobRequest& request, const std::string& tenant, const Backend& backend,
                       ablation::v1::CancelJobResponse& response);
absl::Status DeleteJob(const ablation::v1::DeleteJobRequest& request, const std::string& tenant,
                       const Backend& backend);

}  // namespace ablate
