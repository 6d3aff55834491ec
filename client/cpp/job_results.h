// A job's results, checked, from a server that may go and come back.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "ablation/v1/jobs.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/client.h"
#include "client/cpp/retries.h"

namespace ablate::client {

struct JobResultsOptions {
  std::string id = {};
  // Rows, and what stands beside them, are handed on from this offset on; the manifest always is.
  int64_t offset = 0;
  // End behind what is stored now, also where the job has not ended.
  bool only_stored = false;
  // Of streams that broke.
  RetryOptions retry = {};
};

struct JobResultsHandlers {
  ScanHandlers scan;
  // Before the first result, and again each time that a stream broke: the job as it is now. An error ends the call.
  std::function<absl::Status(const v1::Job& job)> on_job = {};
};

struct JobResults {
  // As it ended; where only what is stored was asked for, as it is behind the last result.
  v1::Job job;
  // Of a job that succeeded, in parts or whole.
  v1::Completion completion;
  // Behind the last result.
  int64_t next_offset = 0;
};

// Blocks until the job has ended. What comes is what one stream that never broke would have given. Success says that
// the results are what the job's state promises, not that the job succeeded. OutOfRange: the job has not so many
// results as `offset`.
absl::StatusOr<JobResults> ReadJobResults(Client* client, const JobResultsOptions& options,
                                          const JobResultsHandlers& handlers, const CallOptions& call);

}  // namespace ablate::client
