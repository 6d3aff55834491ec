// The bounded queue in front of the device, and the one thread that owns it.
//
// Requests take turns prompt by prompt: a batch takes one prompt of each waiting request, then a second one of each, up
// to the batch's cost. So a request of 10,000 prompts is fed in batches, and a small one that comes later waits for one
// batch at most. A request whose reader is slow is passed over while too much of its results waits: it holds up nobody,
// and the server never keeps more of it than the sink's limit or, where that is more, one prompt's rows.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engine/engine.h"
#include "server/request.h"

namespace ablate {

struct SchedulerOptions {
  // Most requests that wait with prompts not yet taken up.
  int32_t queue_size = 256;
  // Most packed tokens x layers in one batch. A prompt that exceeds it runs alone.
  int64_t batch_cost = 0;
  // After a batch, how long to wait for the next one to fill: clients that have just been answered come back at once.
  // An idle device never waits.
  absl::Duration batch_window = absl::Milliseconds(1);
};

// Thread-safe.
class Scheduler {
 public:
  // `engine` must outlive the scheduler and belongs to its thread from now on.
  Scheduler(Engine* engine, const SchedulerOptions& options);
  // Closes and joins.
  ~Scheduler();

  // RESOURCE_EXHAUSTED with RetryInfo where the queue is full, UNAVAILABLE where it is closed; the sink is not called
  // then. Otherwise its Complete will be.
  absl::Status Submit(std::shared_ptr<Request> request);

  // Looks again for requests that were abandoned or that have room.
  void Wake();

  // Fails what is waiting or running with UNAVAILABLE and takes nothing more.
  void Close();

 private:
  // One prompt of a request, in a batch.
  struct Taken {
    std::shared_ptr<Request> request;
    size_t prompt = 0;
  };
  using Requests = std::vector<std::shared_ptr<Request>>;

  absl::Status Admit(std::shared_ptr<Request> request, Requests& ended);
  void Loop();
  // False when the queue is closed and empty.
  bool Next(bool device_was_busy, Requests& ended, std::vector<Taken>& batch);

  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasFullBatch() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Time NextDeadline() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes those out of the queue that must not go on; `untaken_only`: of those that the device has not touched.
  Requests TakeEnded(bool untaken_only) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<Taken> TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Duration RetryDelay() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Device thread only.
  void Run(const std::vector<Taken>& batch);
  absl::Status RunOnce(const std::vector<Taken>& batch);
  void RunEachAlone(const std::vector<Taken>& batch, const absl::Status& error);
  void FinishRequests(const std::vector<Taken>& batch);
  void Finish(Request& request, const absl::Status& status);
  // Why a request must not go on; OK where it may.
  absl::Status Verdict(const Request& request) const;

  Engine* const engine_;
  const SchedulerOptions options_;
  std::atomic<bool> closed_ = false;

  mutable absl::Mutex mu_;
  // Requests with prompts not yet taken up; the front one is next.
  std::deque<std::shared_ptr<Request>> queue_ ABSL_GUARDED_BY(mu_);
  // Cost of the prompts in `queue_` not yet taken up, and of the batch that runs.
  int64_t waiting_cost_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t running_cost_ ABSL_GUARDED_BY(mu_) = 0;
  // Moving average; 0 before the first batch.
  double cost_per_second_ ABSL_GUARDED_BY(mu_) = 0;

  std::thread thread_;
};

}  // namespace ablate
