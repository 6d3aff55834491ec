// The one thread that owns the device: takes batches from the queue, runs them, and answers the requests.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engine/engine.h"
#include "server/request.h"
#include "server/request_queue.h"

namespace ablate {

struct SchedulerOptions {
  RequestQueueOptions queue = {};
  // After a batch, how long to wait for the next one to fill: clients that have just been answered come back at once.
  // An idle device never waits.
  absl::Duration batch_window = absl::Milliseconds(1);
  // Called once, when the device is lost (engine/device_lost.h), in the device's thread: the scheduler is closed then,
  // and what ran or waits is about to fail with UNAVAILABLE. Must not wait for it.
  std::function<void()> on_device_lost = nullptr;
};

// How busy the device is.
struct SchedulerLoad {
  // Packed tokens x layers of late; 0: nothing is known of the device (RequestQueue::cost_per_second).
  double cost_per_second = 0;
  // Until all that waits and runs now is done, jobs aside (RequestQueue::WaitingTime).
  absl::Duration waiting;
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

  SchedulerLoad load() const;
  // Most packed tokens x layers in one batch, but for a prompt that exceeds it (RequestQueueOptions::batch_cost).
  int64_t batch_cost() const { return batch_cost_; }

 private:
  absl::Status Admit(std::shared_ptr<Request> request, std::vector<EndedRequest>& ended);
  void Loop();
  // False when the queue is closed and empty.
  bool Next(bool device_was_busy, std::vector<EndedRequest>& ended, std::vector<TakenUnit>& batch);

  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return closed_ || queue_.HasReady() || queue_.HasAbandoned();
  }
  bool HasFullBatch() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return closed_ || queue_.HasFullBatch(); }

  // Device thread only.
  void Run(const std::vector<TakenUnit>& batch);
  // Between two chunks of a background batch: others need not wait for its end, which may be minutes away. The engine
  // above would take what the others throw for an error of the background batch, and never answer them.
  void LetOthersThrough(const std::vector<TakenUnit>& background) noexcept;
  absl::Status RunOnce(const std::vector<TakenUnit>& batch);
  void LoseDevice(absl::Span<Request* const> ran, const absl::Status& lost);
  void RunEachAlone(const std::vector<TakenUnit>& batch, const absl::Status& error);
  void EndPrompts(const std::vector<TakenUnit>& batch);
  void FinishRequests(const std::vector<TakenUnit>& batch);

  Engine* const engine_;
  const absl::Duration batch_window_;
  const std::function<void()> on_device_lost_;
  const int32_t batches_before_background_;
  const int64_t batch_cost_;
  // What went to other batches while background ones ran. The device thread's own.
  absl::Duration let_through_;
  bool device_lost_ = false;
  std::atomic<bool> closed_ = false;

  mutable absl::Mutex mu_;
  RequestQueue queue_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;
};

}  // namespace ablate
