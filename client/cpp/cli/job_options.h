// What the commands of `ablate job` share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cpp/cli/common_options.h"
#include "client/cpp/cli/result_output.h"
#include "client/cpp/cli/scan_options.h"
#include "client/cpp/cli/session.h"
#include "client/cpp/job_results.h"

namespace ablate::cli {

// Each command looks at its own.
struct JobOptions {
  CommonOptions common;
  // As the server needs it for a call: infinite where the command waits for the job.
  absl::Duration timeout = absl::Seconds(30);
  std::vector<std::string> ids;
  // Of what is printed about jobs.
  std::string format;
  // Of broken connections, without anything new in between.
  client::RetryOptions retry;

  // submit
  RequestFlags flags;
  client::JobNames names;
  bool wait = false;
  // list
  std::vector<std::string> states;
  int64_t limit = 100;
  // results
  OutputOptions output;
  int64_t offset = 0;
  bool only_stored = false;

  const std::string& id() const { return ids.front(); }
};

using RunJobCommand = absl::Status (*)(const JobOptions&, Session&);

absl::Status RunJobSubmit(const JobOptions& options, Session& session);
absl::Status RunJobList(const JobOptions& options, Session& session);
absl::Status RunJobShow(const JobOptions& options, Session& session);
absl::Status RunJobWatch(const JobOptions& options, Session& session);
absl::Status RunJobResults(const JobOptions& options, Session& session);
absl::Status RunJobCancel(const JobOptions& options, Session& session);
absl::Status RunJobDelete(const JobOptions& options, Session& session);

}  // namespace ablate::cli
