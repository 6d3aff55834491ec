// A request on its way through the scheduler, and the one who takes its results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/engine.h"
#include "server/engine_use.h"
#include "server/prepare.h"

namespace ablate {

// What the scheduler measured of a request.
struct RequestTiming {
  // When the engine took its first prompt up.
  absl::Time taken_up;
  EngineUse use;
};

// Takes a request's results. TakeBlock, EndPrompt and Complete are called from the device thread (Complete also from
// another request's Submit, where this one was abandoned before the device touched it), and must not block.
class ResultSink {
 public:
  virtual ~ResultSink() = default;

  // Rows of one unit. An error fails the request.
  virtual absl::Status TakeBlock(ReadoutBlock block, size_t unit) = 0;
  // All units of a prompt have been handed out; `so_far`: what the request has taken of the engine. An error fails the
  // request.
  virtual absl::Status EndPrompt(int32_t prompt, const EngineUse& so_far) = 0;
  // Exactly once, and last.
  virtual void Complete(absl::Status status, const RequestTiming& timing) = 0;

  // Others run between two chunks of the batch that the request is in, and then it goes on: a background one's. From
  // the device's thread.
  virtual void Suspend() {}
  virtual void Resume() {}

  // The device is lost (engine/device_lost.h), perhaps by what the request had run there. From the device's thread,
  // before anybody else is told.
  virtual void LoseDevice() {}

  // Nobody waits for the results any more. Any thread; locks nothing that is held around a call of the scheduler.
  virtual bool Abandoned() const = 0;
  // Results taken and not yet passed on, and how much of them may wait. The scheduler produces one more prompt's
  // results where they fit, or where nothing waits at all. The sink calls Scheduler::Wake whenever less waits than
  // before.
  virtual int64_t waiting_bytes() const = 0;
  virtual int64_t max_waiting_bytes() const = 0;
};

struct Request {
  std::shared_ptr<const PreparedRequest> prepared;
  absl::Time deadline = absl::InfiniteFuture();
  std::shared_ptr<ResultSink> sink;
  // A job's: others go first (RequestQueue).
  bool is_background = false;
  // What a request that follows this one will cost at most: it must find room too.
  int64_t cost_to_come = 0;
  // Follows one that was let in with it, and finds room whatever waits.
  bool is_follow_up = false;
  // Adds to a unit's scan what PreparedRequest does not know, e.g. who takes its heads' outputs. Called in the device
  // thread before each of its runs: a failed one may be tried again. May be empty.
  std::function<void(Scan& scan, size_t unit)> amend;

  // The queue's and the scheduler's own. `next_unit` is guarded by the scheduler's mutex, the rest belongs to the
  // device thread.
  size_t next_unit = 0;
  // Of the engine, and how many it owes for the scans that it has run.
  int64_t rows_done = 0;
  int64_t rows_expected = 0;
  int64_t rows_in_run = 0;
  absl::Status error;
  RequestTiming timing;
};

// Every unit has been in a batch.
inline bool AllTaken(const Request& request) {
  return request.next_unit == request.prepared->units.size();
}

// Why a request must not go on; OK where it may. It can change from one moment to the next: whoever acts on it keeps
// it. For the device's thread, and for others before the device has touched the request.
absl::Status Verdict(const Request& request, bool closed);

}  // namespace ablate
