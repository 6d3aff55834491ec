#include "server/request.h"

#include "absl/time/clock.h"
#include "server/errors.h"

namespace ablate {

absl::Status Verdict(const Request& request, bool closed) {
  if (!request.error.ok()) return request.error;
  if (request.sink->Abandoned()) return absl::CancelledError("the client has left");
  if (request.deadline <= absl::Now()) return absl::DeadlineExceededError("the deadline passed before the end");
  if (closed) {
    return RetryLater(absl::StatusCode::kUnavailable, "DRAINING", "the server stopped before the request was done",
                      absl::Seconds(1));
  }
  return absl::OkStatus();
}

}  // namespace ablate
