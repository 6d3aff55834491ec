// Trying again where a connection broke, or a server is about to be there again.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cpp/client.h"

namespace ablate::client {

struct RetryOptions {
  // Tries behind the first, without anything new in between.
  int tries = 10;
  // Before the second try; doubles with each, up to `max_delay`.
  absl::Duration first_delay = absl::Milliseconds(200);
  absl::Duration max_delay = absl::Seconds(10);
};

// Whether trying again may help: nobody answered, or the server gave its place away.
bool IsTransient(const absl::Status& status);

// Calls that are one to the user: they share a timeout, and a number of tries.
class Retries {
 public:
  // The timeout begins now. The cancellation must outlive the object.
  Retries(const RetryOptions& retry, const CallOptions& call);

  // For the next call: what is left of the timeout.
  CallOptions call() const;
  // Something new has come: the tries count anew.
  void Reset() { failures_ = 0; }
  // OK: try again, the time to wait is over. Else what to end with: `error`, or the timeout's, or Cancelled.
  absl::Status Await(const absl::Status& error);
  // OK behind `duration`; else the timeout's error, or Cancelled.
  absl::Status Sleep(absl::Duration duration) const;

 private:
  absl::Status TimedOut() const;

  const RetryOptions retry_;
  const CallOptions call_;
  const absl::Time end_;
  int failures_ = 0;
};

}  // namespace ablate::client
