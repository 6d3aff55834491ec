// Following a job to its end.
#pragma once

#include <functional>
#include <string>

#include "ablation/v1/jobs.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/cli/session.h"
#include "client/cpp/retries.h"

namespace ablate::cli {

// Asks how the job is until it has ended, over servers that go and come back. `on_look` is told each time; its error
// ends it.
absl::StatusOr<ablation::v1::Job> FollowJob(const std::string& id, const client::RetryOptions& retry, Session& session,
                                            const std::function<absl::Status(const ablation::v1::Job& job)>& on_look);

}  // namespace ablate::cli
