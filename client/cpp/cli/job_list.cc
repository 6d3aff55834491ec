// `ablate job list`, `show`, `cancel` and `delete`.
#include "absl/strings/str_cat.h"
#include "client/cpp/cli/job_options.h"
#include "client/cpp/cli/job_text.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/text.h"
#include "client/cpp/retries.h"

namespace ablate::cli {
namespace {

// A line a job, whatever becomes of it; the first error, behind all of them. Where nobody answers, the rest are not
// asked for, and that is the error.
template <typename Work>
absl::Status ForEachJob(const JobOptions& options, const Work& work) {
  absl::Status first;
  for (const std::string& id : options.ids) {
    const auto done = work(id);
    const bool nobody_answers = client::IsTransient(done.status()) || absl::IsDeadlineExceeded(done.status());
    if (nobody_answers || absl::IsCancelled(done.status())) return done.status();
    first.Update(done.status());
    const std::string line = done.ok() ? *done : Cut(std::string(done.status().message()), 200);
    if (auto status = PrintText(absl::StrCat(id, "  ", line, "\n")); !status.ok()) return status;
  }
  return first;
}

}  // namespace

absl::Status RunJobList(const JobOptions& options, Session& session) {
  std::vector<ablation::v1::JobState> states;
  states.reserve(options.states.size());
  for (const std::string& name : options.states) states.push_back(StateOf(name));
  const auto jobs = session.client().ListJobs(states, options.limit, session.call());
  if (!jobs.ok()) return jobs.status();
  if (options.format == "table") return PrintText(JobTable(*jobs));
  std::string text;
  for (const ablation::v1::Job& job : *jobs) {
    const auto json = ToJson(job);
    if (!json.ok()) return json.status();
    absl::StrAppend(&text, options.format == "id" ? job.id() : *json, "\n");
  }
  return PrintText(text);
}

absl::Status RunJobShow(const JobOptions& options, Session& session) {
  const auto job = session.client().GetJob(options.id(), session.call());
  return job.ok() ? PrintJob(*job, options.format) : job.status();
}

absl::Status RunJobCancel(const JobOptions& options, Session& session) {
  return ForEachJob(options, [&session](const std::string& id) -> absl::StatusOr<std::string> {
    const auto job = session.client().CancelJob(id, session.call());
    return job.ok() ? absl::StatusOr<std::string>(JobLine(*job)) : job.status();
  });
}

absl::Status RunJobDelete(const JobOptions& options, Session& session) {
  return ForEachJob(options, [&session](const std::string& id) -> absl::StatusOr<std::string> {
    const absl::Status status = session.client().DeleteJob(id, session.call());
    return status.ok() ? absl::StatusOr<std::string>("deleted") : status;
  });
}

}  // namespace ablate::cli
