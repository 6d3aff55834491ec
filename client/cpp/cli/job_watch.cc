// `ablate job watch`.
#include "client/cpp/cli/job_watch.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/job_end.h"
#include "client/cpp/cli/job_options.h"
#include "client/cpp/cli/job_text.h"
#include "client/cpp/cli/live_region.h"
#include "client/cpp/cli/progress.h"

namespace ablate::cli {
namespace {

// Short at first, for jobs of a moment; and no longer than what remains.
absl::Duration Pause(const ablation::v1::Job& job, int looks) {
  const auto pause = std::min(absl::Milliseconds(100) * std::exp2(std::min(looks, 20) * 0.5), absl::Seconds(5));
  if (!job.has_remaining_ms() || job.remaining_ms() <= 0) return pause;
  return std::max(absl::Milliseconds(100), std::min(pause, absl::Milliseconds(job.remaining_ms())));
}

}  // namespace

absl::StatusOr<ablation::v1::Job> FollowJob(const std::string& id, const client::RetryOptions& retry, Session& session,
                                            const std::function<absl::Status(const ablation::v1::Job& job)>& on_look) {
  client::Retries retries(retry, session.call());
  for (int looks = 0;; ++looks) {
    auto job = session.client().GetJob(id, retries.call());
    if (!job.ok()) {
      // Where nobody has ever answered, waiting would only hide it.
      if (looks == 0) return job.status();
      if (auto status = retries.Await(job.status()); !status.ok()) return status;
      continue;
    }
    retries.Reset();
    if (auto status = on_look(*job); !status.ok()) return status;
    if (HasEnded(*job)) return job;
    if (auto status = retries.Sleep(Pause(*job, looks)); !status.ok()) return status;
  }
}

absl::Status RunJobWatch(const JobOptions& options, Session& session) {
  const auto output = Output::Standard();
  const bool is_terminal = output->IsTerminal();
  LiveRegion live(output.get());
  const absl::Time start = absl::Now();
  std::string last;
  const auto job = FollowJob(options.id(), options.retry, session, [&](const ablation::v1::Job& now) {
    const std::string line = JobLine(now);
    if (is_terminal) {
      const int64_t done = now.prompts_done();
      // What was done before is no measure of how fast it goes: the server's own guess stands in the other line.
      return live.Update({line, ProgressLine(done, now.n_prompts(), absl::ZeroDuration(), "prompts")});
    }
    // Not each change of a guess.
    const std::string state = absl::StrCat(now.state(), " ", now.prompts_done(), " ", now.skipped_prompts_size());
    if (state == last) return output->CheckReader();
    last = state;
    auto status = output->Write(absl::StrCat(line, "\n"));
    status.Update(output->Flush());
    return status;
  });
  if (!job.ok()) return job.status();
  if (is_terminal) {
    auto status = live.Finish({absl::StrCat(
        JobLine(*job), "  (watched ", absl::FormatDuration(absl::Trunc(absl::Now() - start, absl::Seconds(1))), ")")});
    if (!status.ok()) return status;
  }
  return EndOf(*job);
}

}  // namespace ablate::cli
