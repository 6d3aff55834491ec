// The thread that runs jobs, one after the other, in the order of their turns (JobStore::Queue); and keeps house.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/backend.h"
#include "server/jobs/job_hub.h"
#include "server/jobs/job_store.h"

namespace ablate {

struct JobRetention {
  // Jobs that ended longer ago are deleted; infinite: none is.
  absl::Duration age = absl::Hours(24 * 30);
  // Most bytes of all results and requests (JobStore::Expire).
  int64_t bytes = int64_t{10} << 30;
};

class JobRun;

// Thread-safe.
class JobRunner {
 public:
  // Both are borrowed. `first_pause`: how long it waits when the engine fails, the first time.
  JobRunner(JobStore* store, JobHub* hub, const JobRetention& retention, absl::Duration first_pause);
  ~JobRunner();

  // Begins, once. The backend outlives it.
  void Start(const Backend* backend);

  // A job was submitted.
  void Wake();
  // The job must not go on: it was cancelled or deleted, in the store.
  void StopJob(int64_t number);
  // No job goes on; the one that ran is as the store has it, to be gone on with by the next server. Returns when it has
  // let go of the engine.
  void Stop();

  // Packed tokens x layers a second that jobs have got lately; 0: not known yet.
  double cost_per_second() const;
  const JobRetention& retention() const { return retention_; }
  // Why it is not taken up in its turn, in English; empty: it is.
  std::string WhyItRests(int64_t number) const;

 private:
  void Loop();
  void RunOne(const StoredJob& job);
  // The engine's errors end a job only where none of its prompts go through and other things do.
  void AfterError(const StoredJob& job, JobRun& run, const absl::Status& error, const std::function<bool()>& stopped);
  // How long to wait now that the engine has failed with it once more.
  absl::Duration NextPause(const StoredJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The engine runs other things: so may other jobs.
  void LeaveAlone(const StoredJob& job);
  // It has ended, or got on.
  void Forget(int64_t number);
  // The jobs that are left alone; `until` the first of them goes on, or as it is.
  absl::flat_hash_set<int64_t> Resting(std::chrono::steady_clock::time_point& until) const;
  // Where it is time to.
  void KeepHouse();
  void Expire();
  // All that is due, at once.
  void MakeRoom(const std::function<bool()>& stopped);
  void Measure(int64_t cost, absl::Duration took);

  JobStore* const store_;
  JobHub* const hub_;
  const JobRetention retention_;
  const absl::Duration first_pause_;
  // Null before Start.
  const Backend* backend_ = nullptr;

  // The thread's own.
  std::chrono::steady_clock::time_point next_housekeeping_ = std::chrono::steady_clock::now();
  // Something deleted may still take room.
  bool sweeping_ = true;
  std::atomic<bool> stopped_ = false;
  // The job that runs; 0: none. And the one that must not.
  std::atomic<int64_t> running_ = 0;
  std::atomic<int64_t> stopped_job_ = 0;
  std::atomic<double> cost_per_second_ = 0;
  mutable absl::Mutex mu_;
  struct Trouble {
    // How often the engine failed, while it ran other things, since it stored something of the job.
    int32_t failures = 0;
    absl::Duration next_pause;
    std::chrono::steady_clock::time_point due;
  };
  // By the number of a job with which the engine failed.
  std::map<int64_t, Trouble> troubles_ ABSL_GUARDED_BY(mu_);
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace ablate
