#include "server/errors.h"

#include <algorithm>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/quote.h"

namespace ablate {
namespace {

constexpr absl::string_view kDomain = "ablate";
constexpr absl::string_view kTypePrefix = "type.googleapis.com/";
// Clients accept 8 KiB of metadata by default, and the message travels twice: as grpc-message, where a byte may take
// three, and in the details, as base64.
constexpr size_t kMaxMessageBytes = 1000;

std::string TypeUrl(const google::protobuf::Message& detail) {
  return absl::StrCat(kTypePrefix, detail.GetDescriptor()->full_name());
}

void Attach(absl::Status& status, const google::protobuf::Message& detail) {
  status.SetPayload(TypeUrl(detail), absl::Cord(detail.SerializeAsString()));
}

google::rpc::ErrorInfo MakeErrorInfo(absl::string_view reason) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(std::string(kDomain));
  return info;
}

absl::Status FieldError(absl::StatusCode code, absl::string_view field, absl::string_view reason,
                        absl::string_view description) {
  absl::Status status = ErrorWithReason(code, reason, absl::StrCat(field, ": ", description));
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field(std::string(field));
  violation->set_description(Truncated(description, kMaxMessageBytes));
  Attach(status, bad_request);
  return status;
}

// gRPC's codes and absl's are the same numbers.
grpc::StatusCode Code(const absl::Status& status) {
  return static_cast<grpc::StatusCode>(status.code());
}

}  // namespace

absl::Status ErrorWithReason(absl::StatusCode code, absl::string_view reason, absl::string_view message) {
  absl::Status status(code, message);
  Attach(status, MakeErrorInfo(reason));
  return status;
}

absl::Status BadField(absl::string_view field, absl::string_view reason, absl::string_view description) {
  return FieldError(absl::StatusCode::kInvalidArgument, field, reason, description);
}

absl::Status UnfitField(absl::string_view field, absl::string_view reason, absl::string_view description) {
  return FieldError(absl::StatusCode::kFailedPrecondition, field, reason, description);
}

absl::Status RetryLater(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                        absl::Duration retry_delay) {
  absl::Status status = ErrorWithReason(code, reason, message);
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(retry_delay));
  Attach(status, retry);
  return status;
}

absl::Status OverQuota(absl::string_view reason, absl::string_view message) {
  absl::Status status = ErrorWithReason(absl::StatusCode::kResourceExhausted, reason, message);
  google::rpc::QuotaFailure quota;
  auto* violation = quota.add_violations();
  violation->set_subject("request");
  violation->set_description(std::string(message));
  Attach(status, quota);
  return status;
}

absl::Status TooCostly(int64_t cost, int64_t limit) {
  return OverQuota("REQUEST_TOO_COSTLY",
                   absl::StrCat("the request costs ", cost, " packed tokens x layers, more than the ", limit,
                                " that one request may (--max-request-cost): send fewer prompts or sweep fewer heads "
                                "at a time"));
}

absl::Status TooCostlyToPlan(int64_t cost, int64_t limit) {
  return OverQuota(
      "REQUEST_TOO_COSTLY",
      absl::StrCat("the request costs ", cost, " packed tokens x layers: plans are made of at most ", limit,
                   ", ten times what one request may cost (--max-request-cost): send fewer prompts or "
                   "sweep fewer heads at a time"));
}

absl::Status TooManyTokens(absl::string_view field, int index, int64_t limit) {
  return OverQuota("REQUEST_TOO_MANY_TOKENS",
                   absl::StrCat("with ", field, "[", index, "] the request has more tokens than the ", limit,
                                " that one request may (--max-request-tokens): send fewer ", field, " at a time"));
}

std::string ErrorReason(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  const auto payload = status.GetPayload(TypeUrl(info));
  if (payload.has_value() && info.ParseFromString(std::string(*payload))) return info.reason();
  return absl::StatusCodeToString(status.code());
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status rpc;
  rpc.set_code(static_cast<int32_t>(status.code()));
  rpc.set_message(Truncated(status.message(), kMaxMessageBytes));
  status.ForEachPayload([&rpc](absl::string_view type_url, const absl::Cord& payload) {
    auto* detail = rpc.add_details();
    detail->set_type_url(std::string(type_url));
    detail->set_value(std::string(payload));
  });
  const std::string info_url = TypeUrl(google::rpc::ErrorInfo());
  const auto is_info = [&info_url](const google::protobuf::Any& detail) { return detail.type_url() == info_url; };
  if (std::none_of(rpc.details().begin(), rpc.details().end(), is_info)) {
    auto* detail = rpc.add_details();
    detail->set_type_url(info_url);
    detail->set_value(MakeErrorInfo(absl::StatusCodeToString(status.code())).SerializeAsString());
  }
  // absl keeps payloads in no promised order: ErrorInfo first, then by name.
  std::sort(rpc.mutable_details()->begin(), rpc.mutable_details()->end(), [&](const auto& a, const auto& b) {
    return is_info(a) != is_info(b) ? is_info(a) : a.type_url() < b.type_url();
  });
  return {Code(status), rpc.message(), rpc.SerializeAsString()};
}

}  // namespace ablate
