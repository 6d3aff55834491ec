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
// Behind so many a job's prompts run one by one.
constexpr int32_t kMostFailures = 3;

}  // namespace

JobRunner::JobRunner(JobStore* store, JobHub* hub, const JobRetention& retention, absl::Duration first_pause)
    : store_(store), hub_(hub), retention_(retention), first_pause_(first_pause) {}

void JobRunner::Start(const Backend* backend) {
  backend_ = backend;
  store_->ledger().NoteDeath();
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
    const auto next = store_->NextToRun(JobEngineOf(backend_->engine->Describe()));
    if (!next.ok()) spdlog::error("jobs: {}", std::string(next.status().message()));
    if (next.ok() && next->has_value()) {
      RunOne(**next);
      continue;
    }
    if (next.ok() && sweeping_) continue;
    const absl::Duration until = absl::FromChrono(next_housekeeping_ - std::chrono::steady_clock::now());
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&woken_), next.ok() ? until : absl::Seconds(5));
    woken_ = false;
  }
}

void JobRunner::RunOne(const StoredJob& job) {
  spdlog::info("job {}: {} of {} prompts are done", job.job.id(), job.job.prompts_done(), job.job.n_prompts());
  running_ = job.number;
  const auto stopped = [this, number = job.number] { return stopped_ || stopped_job_ == number; };
  hub_->Changed(job.number);
  if (trouble_.job != job.number) trouble_ = {.job = job.number, .failures = 0, .pause = first_pause_};
  JobRun run(job, store_, hub_, backend_,
             {.stopped = stopped,
              .measured =
                  [this](int64_t cost, absl::Duration took) {
                    Measure(cost, took);
                    KeepHouse();
                  },
              .make_room = [this, stopped] { MakeRoom(stopped); },
              .one_by_one = trouble_.failures >= kMostFailures});
  const absl::Status status = run.Run();
  if (status.ok() || absl::IsCancelled(status)) {
    spdlog::info("job {}: {}", job.job.id(), status.ok() ? "ended" : "stopped");
  } else {
    spdlog::error("job {}: {}", job.job.id(), std::string(status.message()));
    const absl::Duration pause = AfterError(run, status);
    if (pause > absl::ZeroDuration()) {
      spdlog::error("job {}: trying again in {}", job.job.id(), absl::FormatDuration(pause));
      Pause(pause, stopped);
    }
  }
  running_ = 0;
  hub_->Changed(job.number);
}

absl::Duration JobRunner::AfterError(JobRun& run, const absl::Status& error) {
  constexpr absl::Duration kStorePause = absl::Seconds(1);
  if (absl::IsUnavailable(error)) return kStorePause;
  if (IsEngineError(error)) {
    const absl::Status probe = run.Probe();
    if (absl::IsCancelled(probe)) return absl::ZeroDuration();
    if (!probe.ok()) {
      spdlog::error("jobs: the engine runs nothing at all; they wait for it, or for a new start of the server");
    } else {
      ++trouble_.failures;
    }
    if (!probe.ok() || !run.is_hopeless()) {
      return std::exchange(trouble_.pause, std::min(2 * trouble_.pause, kLongestPause));
    }
  }
  const absl::Status ended = run.Fail(error);
  return ended.ok() || absl::IsCancelled(ended) ? absl::ZeroDuration() : kStorePause;
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
