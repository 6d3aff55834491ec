#include "client/cpp/retries.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/errors.h"

namespace ablate::client {

bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status);
}

Retries::Retries(const RetryOptions& retry, const CallOptions& call)
    : retry_(retry), call_(call), end_(absl::Now() + call.timeout) {}

CallOptions Retries::call() const {
  CallOptions rest = call_;
  if (end_ != absl::InfiniteFuture()) rest.timeout = std::max(absl::Milliseconds(1), end_ - absl::Now());
  return rest;
}

absl::Status Retries::TimedOut() const {
  return absl::DeadlineExceededError(
      absl::StrCat("not done within the timeout of ", absl::FormatDuration(call_.timeout)));
}

absl::Status Retries::Sleep(absl::Duration duration) const {
  const absl::Duration rest = end_ - absl::Now();
  const absl::Duration nap = std::min(duration, std::max(absl::ZeroDuration(), rest));
  if (call_.cancellation != nullptr) {
    if (call_.cancellation->WaitFor(nap)) return absl::CancelledError("interrupted");
  } else {
    absl::SleepFor(nap);
  }
  return rest <= duration ? TimedOut() : absl::OkStatus();
}

absl::Status Retries::Await(const absl::Status& error) {
  // Of what was left, which nobody asked for.
  if (absl::IsDeadlineExceeded(error) && end_ != absl::InfiniteFuture()) return TimedOut();
  if (!IsTransient(error) || failures_ >= retry_.tries) return error;
  const auto delay = std::min(retry_.max_delay, retry_.first_delay * std::exp2(std::min(failures_, 30)));
  ++failures_;
  return Sleep(std::min(retry_.max_delay, std::max(delay, RetryDelay(error).value_or(absl::ZeroDuration()))));
}

}  // namespace ablate::client
