// The thread that runs jobs, one after the other, in the order of their submission; and keeps house.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
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
  // Most bytes of all results; where there are more, the jobs that ended first are deleted.
  int64_t bytes = int64_t{10} << 30;
};

// Thread-safe.
class JobRunner {
 public:
  // Both are borrowed.
  JobRunner(JobStore* store, JobHub* hub, const JobRetention& retention);
  ~JobRunner();

  // Begins, once. The backend outlives it.
  void Start(const Backend* backend);

  // A job was submitted.
  void Wake();
  // The job must not go on: it was cancelled or deleted, in the store.
  void StopJob(int64_t number);
  // No job goes on; the one that ran is as the store has it, to be gone on with by the next server. Returns when it has let go
  // of the engine.
  void Stop();

  // Packed tokens x layers a second that jobs have got lately; 0: not known yet.
  double cost_per_second() const;
  const JobRetention& retention() const { return retention_; }

 private:
  void Loop();
  void RunOne(const StoredJob& job);
  // Where it is time to.
  void KeepHouse();
  void Measure(int64_t cost, absl::Duration took);

  JobStore* const store_;
  JobHub* const hub_;
  const JobRetention retention_;
  // Null before Start.
  const Backend* backend_ = nullptr;

  // The thread's own.
  absl::Time next_housekeeping_ = absl::InfinitePast();
  std::atomic<bool> stopped_ = false;
  // The job that runs; 0: none. And the one that must not.
  std::atomic<int64_t> running_ = 0;
  std::atomic<int64_t> stopped_job_ = 0;
  std::atomic<double> cost_per_second_ = 0;
  absl::Mutex mu_;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace ablate
