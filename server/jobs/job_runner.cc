#include "server/jobs/job_runner.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "server/jobs/describe_job.h"
#include "server/jobs/job_run.h"
#include "server/jobs/pause.h"
#include "server/signal_stack.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

constexpr absl::Duration kHousekeeping = absl::Minutes(1);
constexpr absl::Duration kLongestPause = absl::Minutes(5);
// Behind so many in a row it is found out with which of a job's prompts.
constexpr int32_t kMostFailures = 3;
constexpr absl::Duration kStorePause = absl::Seconds(1);

}  // namespace

JobRunner::JobRunner(JobStore* store, JobHub* hub, const JobRetention& retention, absl::Duration first_pause)
    : store_(store), hub_(hub), retention_(retention), first_pause_(first_pause) {}

void JobRunner::Start(const Backend* backend) {
  backend_ = backend;
  store_->ledger().NoteDeath();
  const auto left_out = store_->CountLeftOut(JobEngineOf(backend_->engine->Describe()));
  if (left_out.ok() && *left_out > 0) {
    spdlog::warn("jobs: {} wait for another model or another kind of server (ablate job list)", *left_out);
  }
  thread_ = std::thread([this] { Loop(); });
}

JobRunner::~JobRunner() {
  Stop();
}

void JobRunner::Wake() {
  absl::MutexLock lock(&mu_);
  woken_ = true;
}

void JobRunner::StopJob(int64_t number) {
  if (running_ == number) {
    stopped_job_ = number;
    backend_->scheduler->Wake();
  }
  Forget(number);
  hub_->Changed(number);
}

void JobRunner::Stop() {
  stopped_ = true;
  store_->ledger().Retire();
  if (backend_ != nullptr) backend_->scheduler->Wake();
  Wake();
  if (thread_.joinable()) thread_.join();
}

double JobRunner::cost_per_second() const {
  return cost_per_second_;
}

void JobRunner::Loop() {
  const SignalStack stack;
  while (!stopped_) {
    KeepHouse();
    auto until = next_housekeeping_;
    const auto next = store_->NextToRun(JobEngineOf(backend_->engine->Describe()), Resting(until));
    if (!next.ok()) spdlog::error("jobs: {}", std::string(next.status().message()));
    if (next.ok() && next->has_value()) {
      RunOne(**next);
      continue;
    }
    if (next.ok() && sweeping_) continue;
    const absl::Duration pause = absl::FromChrono(until - std::chrono::steady_clock::now());
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&woken_), next.ok() ? pause : absl::Seconds(5));
    woken_ = false;
  }
}

void JobRunner::RunOne(const StoredJob& job) {
  spdlog::info("job {}: {} of {} prompts are done", job.job.id(), job.job.prompts_done(), job.job.n_prompts());
  running_ = job.number;
  const auto stopped = [this, number = job.number] { return stopped_ || stopped_job_ == number; };
  hub_->Changed(job.number);
  bool in_halves = false;
  {
    absl::MutexLock lock(&mu_);
    const auto trouble = troubles_.find(job.number);
    in_halves = trouble != troubles_.end() && trouble->second.failures >= kMostFailures;
  }
  JobRun run(job, store_, hub_, backend_,
             {.stopped = stopped,
              .measured =
                  [this, number = job.number](int64_t cost, absl::Duration took) {
                    Measure(cost, took);
                    if (cost > 0) Forget(number);
                    KeepHouse();
                  },
              .make_room = [this, stopped] { MakeRoom(stopped); },
              .in_halves = in_halves});
  const absl::Status status = run.Run();
  if (status.ok() || absl::IsCancelled(status)) {
    spdlog::info("job {}: {}", job.job.id(), status.ok() ? "ended" : "stopped");
    Forget(job.number);
  } else {
    spdlog::error("job {}: {}", job.job.id(), std::string(status.message()));
    AfterError(job, run, status, stopped);
  }
  running_ = 0;
  hub_->Changed(job.number);
}

void JobRunner::AfterError(const StoredJob& job, JobRun& run, const absl::Status& error,
                           const std::function<bool()>& stopped) {
  if (absl::IsUnavailable(error)) {
    Pause(kStorePause, stopped);
    return;
  }
  if (IsEngineError(error)) {
    const absl::Status probe = run.Probe();
    if (absl::IsCancelled(probe)) return;
    if (!probe.ok()) {
      spdlog::error("jobs: the engine runs nothing at all; they wait for it, or for a new start of the server");
      absl::Duration pause;
      {
        absl::MutexLock lock(&mu_);
        pause = NextPause(job);
      }
      Pause(pause, stopped);
      return;
    }
    if (!run.is_hopeless()) {
      LeaveAlone(job);
      return;
    }
  }
  const absl::Status ended = run.Fail(error);
  if (ended.ok() || absl::IsCancelled(ended)) {
    Forget(job.number);
  } else {
    Pause(kStorePause, stopped);
  }
}

absl::Duration JobRunner::NextPause(const StoredJob& job) {
  Trouble& trouble =
      troubles_.try_emplace(job.number, Trouble{.failures = 0, .next_pause = first_pause_, .due = {}}).first->second;
  const absl::Duration pause = std::exchange(trouble.next_pause, std::min(2 * trouble.next_pause, kLongestPause));
  spdlog::error("job {}: trying again in {}", job.job.id(), absl::FormatDuration(pause));
  return pause;
}

void JobRunner::LeaveAlone(const StoredJob& job) {
  absl::MutexLock lock(&mu_);
  const absl::Duration pause = NextPause(job);
  Trouble& trouble = troubles_.at(job.number);
  ++trouble.failures;
  trouble.due = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(pause);
}

absl::flat_hash_set<int64_t> JobRunner::Resting(std::chrono::steady_clock::time_point& until) const {
  absl::MutexLock lock(&mu_);
  absl::flat_hash_set<int64_t> resting;
  for (const auto& [number, trouble] : troubles_) {
    if (trouble.due <= std::chrono::steady_clock::now()) continue;
    resting.insert(number);
    until = std::min(until, trouble.due);
  }
  return resting;
}

std::string JobRunner::WhyItRests(int64_t number) const {
  absl::MutexLock lock(&mu_);
  const auto trouble = troubles_.find(number);
  if (trouble == troubles_.end() || trouble->second.due <= std::chrono::steady_clock::now()) return "";
  return "the engine failed with it while it runs other things: it is tried again within minutes";
}

void JobRunner::Forget(int64_t number) {
  absl::MutexLock lock(&mu_);
  troubles_.erase(number);
}

void JobRunner::Measure(int64_t cost, absl::Duration took) {
  const double rate = static_cast<double>(cost) / std::max(absl::ToDoubleSeconds(took), 1e-3);
  const double before = cost_per_second_;
  cost_per_second_ = before == 0 ? rate : 0.9 * before + 0.1 * rate;
}

void JobRunner::KeepHouse() {
  if (std::chrono::steady_clock::now() >= next_housekeeping_) Expire();
  if (!sweeping_) return;
  // A piece each time: a job that runs waits for it.
  const auto more = store_->Sweep();
  sweeping_ = more.ok() && *more;
}

void JobRunner::Expire() {
  next_housekeeping_ = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(kHousekeeping);
  sweeping_ = true;
  const auto expired = store_->Expire(retention_.age, retention_.bytes, absl::Now());
  if (!expired.ok()) spdlog::error("jobs: {}", std::string(expired.status().message()));
  if (expired.ok() && *expired > 0) spdlog::info("jobs: {} were deleted, as --job-retention says", *expired);
}

void JobRunner::MakeRoom(const std::function<bool()>& stopped) {
  Expire();
  while (sweeping_ && !stopped()) KeepHouse();
}

}  // namespace ablate
