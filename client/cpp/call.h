// One call of the client library's.
#pragma once

#include <grpcpp/client_context.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/client.h"
#include "client/cpp/errors.h"

namespace ablate::client {

// Its context, deadline and cancellation.
class Call {
 public:
  explicit Call(const CallOptions& options)
      : options_(options), registration_(options.cancellation, [this] { context_.TryCancel(); }) {
    if (options.timeout != absl::InfiniteDuration()) {
      context_.set_deadline(absl::ToChronoTime(absl::Now() + options.timeout));
    }
  }

  grpc::ClientContext* context() { return &context_; }

  absl::Status Result(const grpc::Status& status, absl::string_view address) const {
    if (status.ok()) return absl::OkStatus();
    if (options_.cancellation != nullptr && options_.cancellation->cancelled()) {
      return absl::CancelledError("interrupted");
    }
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED && options_.timeout != absl::InfiniteDuration()) {
      return absl::DeadlineExceededError(
          absl::StrCat("not done within the timeout of ", absl::FormatDuration(options_.timeout)));
    }
    return FromGrpc(status, address);
  }

 private:
  const CallOptions options_;
  grpc::ClientContext context_;
  const Cancellation::Registration registration_;
};

}  // namespace ablate::client
