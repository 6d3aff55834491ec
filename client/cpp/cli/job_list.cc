// `ablate job list`, `show`, `cancel` and `delete`.
#include "absl/strings/str_cat.h"
#include "client/cpp/cli/job_options.h"
#include "client/cpp/cli/job_text.h"
#include "client/cpp/cli/jsonl.h"

namespace ablate::cli {

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
  for (const std::string& id : options.ids) {
    const auto job = session.client().CancelJob(id, session.call());
    if (!job.ok()) return job.status();
    if (auto status = PrintText(absl::StrCat(id, "  ", JobLine(*job), "\n")); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RunJobDelete(const JobOptions& options, Session& session) {
  for (const std::string& id : options.ids) {
    if (auto status = session.client().DeleteJob(id, session.call()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace ablate::cli
