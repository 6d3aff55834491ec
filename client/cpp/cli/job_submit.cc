// `ablate job submit`.
#include <unistd.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/job_end.h"
#include "client/cpp/cli/job_options.h"
#include "client/cpp/cli/job_text.h"
#include "client/cpp/cli/job_watch.h"
#include "client/cpp/cli/progress.h"
#include "client/cpp/cli/tokenizer_check.h"
#include "client/cpp/request_id.h"

namespace ablate::cli {
namespace {

// A connection that broke may have brought the job there: the request id makes it one job all the same.
constexpr client::RetryOptions kSubmitRetry = {.tries = 3};

absl::StatusOr<ablation::v1::Job> Submit(const ScanRequest& request, const client::JobNames& names, Session& session) {
  client::Retries retries(kSubmitRetry, session.call());
  while (true) {
    auto job = session.client().SubmitJob(request.request, names, retries.call());
    if (job.ok()) return job;
    if (auto status = retries.Await(job.status()); !status.ok()) return NameOrigin(status, request);
  }
}

absl::Status Wait(const JobOptions& options, Session& session, ablation::v1::Job* job) {
  ProgressBar progress(isatty(STDERR_FILENO) == 1, "prompts");
  const auto ended = FollowJob(job->id(), options.retry, session, [&](const ablation::v1::Job& now) {
    progress.Update(now.prompts_done(), now.n_prompts());
    return absl::OkStatus();
  });
  if (!ended.ok()) {
    return absl::Status(
        ended.status().code(),
        absl::StrCat(ended.status().message(), "; the job goes on: `ablate job watch ", job->id(), "` follows it"));
  }
  *job = *ended;
  return absl::OkStatus();
}

}  // namespace

absl::Status RunJobSubmit(const JobOptions& options, Session& session) {
  if (auto status = CheckRequestFlags(options.flags); !status.ok()) return status;
  const auto request = MakeScanRequest(options.flags.request);
  if (!request.ok()) return request.status();
  if (auto status = CheckTokenizer(options.flags.request.prompts.tokenizer_of, session); !status.ok()) return status;
  if (!request->data.field_names.empty()) {
    std::cerr << "ablate: note: the server keeps no other columns: " << absl::StrJoin(request->data.field_names, ", ")
              << " will not come back with the results; rows are matched with the data set by prompt_index\n";
  }
  client::JobNames names = options.names;
  if (names.request_id.empty()) names.request_id = client::MakeRequestId();
  auto job = Submit(*request, names, session);
  if (!job.ok()) return job.status();
  // At once, also where it is waited for: whoever interrupts that has the id.
  const bool prints_end = options.wait && options.format == "json";
  absl::Status status = prints_end ? absl::OkStatus() : PrintJob(*job, options.format);
  if (!status.ok()) return status;
  std::cerr << "ablate: the job " << job->id() << " was accepted; `ablate job watch " << job->id()
            << "` follows it, `ablate job results " << job->id() << "` gives what it gave\n";
  if (!options.wait) return absl::OkStatus();
  status = Wait(options, session, &*job);
  if (status.ok() && prints_end) status = PrintJob(*job, options.format);
  return status.ok() ? EndOf(*job) : status;
}

}  // namespace ablate::cli
