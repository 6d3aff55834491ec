#include "server/jobs/job_runner.h"

#include <algorithm>
#include <string>

#include "absl/time/clock.h"
#include "server/errors.h"
#include "server/jobs/job_run.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

constexpr absl::Duration kHousekeeping = absl::Minutes(1);

pb::JobError ErrorOf(const absl::Status& status) {
  pb::JobError error;
  error.set_code(static_cast<int>(status.code()));
  error.set_reason(ErrorReason(status));
  error.set_message(std::string(status.message()));
  return error;
}

}  // namespace

JobRunner::JobRunner(JobStore* store, JobHub* hub, const JobRetention& retention)
    : store_(store), hub_(hub), retention_(retention) {}

void JobRunner::Start(const Backend* backend) {
  backend_ = backend;
  store_->ledger().NoteFatalSignals();
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
  while (!stopped_) {
    KeepHouse();
    const auto next = store_->NextToRun(backend_->engine->Describe().weights_sha256);
    if (!next.ok()) spdlog::error("jobs: {}", std::string(next.status().message()));
    if (next.ok() && next->has_value()) {
      RunOne(**next);
      continue;
    }
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithDeadline(absl::Condition(&woken_), next.ok() ? next_housekeeping_ : absl::Now() + absl::Seconds(5));
    woken_ = false;
  }
}

void JobRunner::RunOne(const StoredJob& job) {
  spdlog::info("job {}: {} of {} prompts are done", job.job.id(), job.job.prompts_done(), job.job.n_prompts());
  running_ = job.number;
  const auto stopped = [this, number = job.number] { return stopped_ || stopped_job_ == number; };
  hub_->Changed(job.number);
  const absl::Status status = JobRun(job, store_, hub_, backend_, stopped, [this](int64_t cost, absl::Duration took) {
                                Measure(cost, took);
                                KeepHouse();
                              }).Run();
  running_ = 0;
  if (status.ok()) {
    spdlog::info("job {}: ended", job.job.id());
  } else if (stopped() || absl::IsCancelled(status)) {
    spdlog::info("job {}: stopped", job.job.id());
  } else if (absl::IsUnavailable(status)) {
    // The store: it is tried again.
    spdlog::error("job {}: {}", job.job.id(), std::string(status.message()));
    absl::SleepFor(absl::Seconds(1));
  } else {
    spdlog::error("job {}: {}", job.job.id(), std::string(status.message()));
    const absl::Status ended = store_->Finish(job.number, pb::JOB_STATE_FAILED, ErrorOf(status), {});
    // It is tried again then.
    if (!ended.ok()) {
      spdlog::error("job {}: {}", job.job.id(), std::string(ended.message()));
      absl::SleepFor(absl::Seconds(1));
    }
  }
  hub_->Changed(job.number);
}

void JobRunner::Measure(int64_t cost, absl::Duration took) {
  const double rate = static_cast<double>(cost) / std::max(absl::ToDoubleSeconds(took), 1e-3);
  const double before = cost_per_second_;
  cost_per_second_ = before == 0 ? rate : 0.9 * before + 0.1 * rate;
}

void JobRunner::KeepHouse() {
  if (absl::Now() < next_housekeeping_) return;
  next_housekeeping_ = absl::Now() + kHousekeeping;
  const absl::Time oldest = absl::Now() - retention_.age;
  const auto expired = store_->Expire(absl::ToUnixMillis(oldest), retention_.bytes);
  if (!expired.ok()) spdlog::error("jobs: {}", std::string(expired.status().message()));
  if (expired.ok() && *expired > 0) spdlog::info("jobs: {} were deleted, as --job-retention says", *expired);
  while (!stopped_) {
    const auto more = store_->Sweep();
    if (!more.ok() || !*more) return;
  }
}

}  // namespace ablate
