// What a failed call says: google.rpc's error details turned into one message that names the field and the way out.
#pragma once

#include <grpcpp/support/status.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace ablate::client {

// `address` is named where the server could not be reached. The details stay with the result (see DetailsOf).
absl::Status FromGrpc(const grpc::Status& status, absl::string_view address);

// The details that FromGrpc kept; nothing where the server sent none.
std::optional<google::rpc::Status> DetailsOf(const absl::Status& status);

// The request's fields at fault, in the server's order.
std::vector<google::rpc::BadRequest::FieldViolation> FieldViolations(const absl::Status& status);

// How long the server asks to wait before another try.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

// ErrorInfo's reason, e.g. `QUEUE_FULL`; empty where there is none.
std::string Reason(const absl::Status& status);

}  // namespace ablate::client
