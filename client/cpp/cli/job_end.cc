#include "client/cpp/cli/job_end.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/exit_code.h"

namespace ablate::cli {
namespace {

constexpr int kSkippedNamed = 3;

std::string Skipped(const ablation::v1::Job& job) {
  std::string text;
  for (int i = 0; i < job.skipped_prompts_size() && i < kSkippedNamed; ++i) {
    const auto& prompt = job.skipped_prompts(i);
    absl::StrAppend(&text, i == 0 ? "" : "; ", "prompt ", prompt.prompt_index(), ": ", prompt.reason());
  }
  const int more = job.skipped_prompts_size() - kSkippedNamed;
  if (more > 0) absl::StrAppend(&text, "; and ", more, " more");
  return text;
}

}  // namespace

bool HasEnded(const ablation::v1::Job& job) {
  return job.ended_unix_ms() != 0 || job.state() > ablation::v1::JOB_STATE_RUNNING;
}

absl::Status EndOf(const ablation::v1::Job& job) {
  const std::string name = absl::StrCat("the job ", job.id());
  const std::string done = absl::StrCat(job.prompts_done(), " of ", job.n_prompts(), " prompts");
  switch (job.state()) {
    case ablation::v1::JOB_STATE_PARTIAL:
      return WithExitCode(absl::AbortedError(absl::StrCat(name, " has results of ", done, "; skipped: ", Skipped(job))),
                          kExitPartial);
    case ablation::v1::JOB_STATE_FAILED:
      return WithExitCode(absl::AbortedError(absl::StrCat(name, " failed after ", done, ": ", job.error().message())),
                          kExitFailed);
    case ablation::v1::JOB_STATE_CANCELLED:
      return WithExitCode(absl::CancelledError(absl::StrCat(name, " was cancelled after ", done)), kExitJobCancelled);
    default:
      return absl::OkStatus();
  }
}

}  // namespace ablate::cli
