// Errors of the service: absl::Status values that carry google.rpc details as payloads, and the one place that turns
// them into a grpc::Status with `grpc-status-details-bin`.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace ablate {

// An error with ErrorInfo: `reason` in UPPER_SNAKE_CASE, domain `ablate`.
absl::Status ErrorWithReason(absl::StatusCode code, absl::string_view reason, absl::string_view message);

// INVALID_ARGUMENT whose message begins with the field's path, e.g. `prompts[3].target.text`, and which carries it in
// BadRequest. `description` says what came and what was expected.
absl::Status BadField(absl::string_view field, absl::string_view reason, absl::string_view description);

// The same as FAILED_PRECONDITION: the field is well-formed, but what it names does not fit, e.g. another model's
// means.
absl::Status UnfitField(absl::string_view field, absl::string_view reason, absl::string_view description);

// An error that goes away: carries RetryInfo.
absl::Status RetryLater(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                        absl::Duration retry_delay);

// RESOURCE_EXHAUSTED with QuotaFailure: the request is larger than one may be, whenever it is sent.
absl::Status OverQuota(absl::string_view reason, absl::string_view message);

// The same: the request costs more than one may.
absl::Status TooCostly(int64_t cost, int64_t limit);
// The same of a request that is not to be run, but whose plan is asked for.
absl::Status TooCostlyToPlan(int64_t cost, int64_t limit);

// The same where entry `index` of `field` brings the request's tokens above what one may have.
absl::Status TooManyTokens(absl::string_view field, int index, int64_t limit);

// The reason of the status' ErrorInfo; the code's name where it has none.
std::string ErrorReason(const absl::Status& status);

// Keeps code, message and details. A status without ErrorInfo gets one whose reason is the code's name. Messages are
// cut where they would not fit into the trailing metadata that a client accepts by default.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace ablate
