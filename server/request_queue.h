// The requests that wait for the device, in the order of their turns.
//
// Requests take turns prompt by prompt, with all of a prompt's units, since their rows need each other: a batch takes
// one prompt of each waiting request, then a second one of each, up to the batch's cost. So a request of 10,000 prompts
// is fed in batches, and a small one that comes later waits for one batch at most. A request whose reader is slow is
// passed over while too much of its results waits: it holds up nobody, and the server never keeps more of it than the
// sink's limit or, where that is more, one prompt's rows.
//
// Background requests, those of jobs, stand in a lane of their own: they run when no other request can, in batches of
// about half a second, and every so many batches in any case, so that they never starve. What waits there fills no
// queue. A prompt that takes longer, e.g. one swept over all pairs, lets others through between two of its chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/request.h"

namespace ablate {

struct RequestQueueOptions {
  // Most requests that wait with prompts not yet taken up.
  int32_t max_requests = 256;
  // Most packed tokens x layers of these prompts. A request that finds the queue empty is let in whatever it costs.
  int64_t max_cost = 10'000'000'000;
  // Most packed tokens x layers in one batch. A prompt that exceeds it runs alone.
  int64_t batch_cost = 0;
  // So many batches go before a background one that could run.
  int32_t batches_before_background = 9;
  // Packed tokens x layers in a second, until a batch has been measured; 0: nothing is known of the device.
  double cost_per_second = 0;
};

// One unit of a request, in a batch. A prompt's units follow each other.
struct TakenUnit {
  std::shared_ptr<Request> request;
  size_t unit = 0;
};

// A request that must not go on, and why: the answer that its client gets.
struct EndedRequest {
  std::shared_ptr<Request> request;
  absl::Status why;
};

// Not thread-safe: the scheduler guards it. Calls no sink but to ask what waits and whether it was abandoned.
class RequestQueue {
 public:
  explicit RequestQueue(const RequestQueueOptions& options)
      : options_(options), cost_per_second_(options.cost_per_second) {}

  // Whether `request` may be put in: a background one always. RESOURCE_EXHAUSTED with RetryInfo where too many wait, or
  // too much.
  absl::Status CheckRoom(const Request& request) const;
  void Put(std::shared_ptr<Request> request);

  // Takes those out that must not go on. The first is for any thread and leaves requests alone that the device has
  // begun; the second is for the device's thread. `closed`: the server stops.
  std::vector<EndedRequest> TakeEndedUntouched(bool closed);
  std::vector<EndedRequest> TakeEnded(bool closed);

  // The next batch; empty where no request has room for more results. What it costs is running until BatchIsDone.
  std::vector<TakenUnit> TakeBatch();
  // The same while a background batch runs, without background requests; with those others that must not go on.
  std::vector<TakenUnit> TakeBetween(bool closed, std::vector<EndedRequest>& ended);
  // The last one taken.
  void BatchIsDone(absl::Duration took);
  // The same, of one that was not run: it says nothing of the device.
  void ForgetBatch() { running_.pop_back(); }

  bool empty() const { return foreground_.requests.empty() && background_.requests.empty(); }
  // A batch would not be empty.
  bool HasReady() const;
  // Somebody waits for TakeBetween, or is to be told there that he waits in vain.
  bool HasForeground() const { return !foreground_.requests.empty(); }
  bool HasAbandoned() const;
  // What waits fills a batch.
  bool HasFullBatch() const { return foreground_.waiting_cost >= options_.batch_cost; }
  // The first deadline of those that wait.
  absl::Time NextDeadline() const;
  // How long what waits and runs now will take, with what is to follow it, background requests aside, from the device's
  // recent speed; zero where that is not known.
  absl::Duration WaitingTime() const;
  // The same as 0.1 s .. 1 min.
  absl::Duration RetryDelay() const;
  // Packed tokens x layers that the device does in a second: a moving average over batches, the options' before the
  // first.
  double cost_per_second() const { return cost_per_second_; }

 private:
  struct Lane {
    // The front one is next.
    std::deque<std::shared_ptr<Request>> requests;
    // Of the prompts not yet taken up.
    int64_t waiting_cost = 0;

    bool HasReady() const;
  };
  struct RunningBatch {
    int64_t cost = 0;
    // Of what follows the requests that end with it.
    int64_t cost_to_come = 0;
    bool is_background = false;
  };

  static void TakeEndedIf(Lane& lane, bool untouched_only, bool closed, std::vector<EndedRequest>& ended);
  std::vector<TakenUnit> TakeFrom(Lane& lane, int64_t batch_cost);
  int64_t BackgroundCost() const;

  const RequestQueueOptions options_;
  Lane foreground_, background_;
  // Since a background one could have run.
  int32_t batches_before_it_ = 0;
  // The last one taken last.
  std::vector<RunningBatch> running_;
  double cost_per_second_;
  bool is_measured_ = false;
};

}  // namespace ablate
