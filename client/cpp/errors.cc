#include "client/cpp/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/connection.h"

namespace ablate::client {
namespace {

constexpr absl::string_view kDetailsUrl = "type.googleapis.com/google.rpc.Status";

template <typename Detail>
std::optional<Detail> Find(const absl::Status& status) {
  const auto details = DetailsOf(status);
  if (!details) return std::nullopt;
  for (const auto& any : details->details()) {
    Detail detail;
    if (any.Is<Detail>() && any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

// The fields at fault; the server's own message comes first only where it says something else.
std::string WithFields(absl::string_view message, const absl::Status& status) {
  std::vector<std::string> parts;
  for (const auto& violation : FieldViolations(status)) {
    if (!violation.description().empty() && absl::StrContains(message, violation.description())) {
      if (absl::StrContains(message, violation.field())) continue;
      // The message already tells what is wrong, but not where.
      parts.push_back(absl::StrCat("field ", violation.field()));
    } else if (absl::StrContains(violation.description(), violation.field())) {
      parts.push_back(violation.description());
    } else {
      parts.push_back(absl::StrCat(violation.field(), ": ", violation.description()));
    }
  }
  if (parts.empty()) return std::string(message);
  return absl::StrCat(message, message.empty() ? "" : "; ", absl::StrJoin(parts, "; "));
}

// `said` is what gRPC gave as the message.
std::string WayOut(const absl::Status& status, absl::string_view said, absl::string_view address) {
  if (const auto delay = RetryDelay(status)) {
    return absl::StrCat("try again in ", absl::FormatDuration(*delay));
  }
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      // A server that answers for itself (it drains, say) sends details.
      if (DetailsOf(status)) return "try again, or ask another server";
      if (std::string way_out = TlsWayOut(said); !way_out.empty()) return way_out;
      return "start one with `ablated --model DIR`, name another with --server, or use --local --model DIR";
    case absl::StatusCode::kUnimplemented:
      return absl::StrCat("the server at ", address, " does not offer this call: is it an `ablated` of this version?");
    case absl::StatusCode::kUnauthenticated:
      return Reason(status) == "TOKEN_MISSING" ? "give one with --token, or in the environment as ABLATE_TOKEN"
                                               : "ask who runs the server for another (`ablate token create`)";
    case absl::StatusCode::kPermissionDenied:
      return "ask who runs the server for a token with it (`ablate token create --scope`)";
    default:
      return "";
  }
}

// By which whoever runs the server finds in its log what the server is to blame for.
std::string RequestIdText(const absl::Status& status) {
  const bool is_servers_fault = absl::IsInternal(status) || absl::IsUnknown(status) || absl::IsDataLoss(status);
  const auto info = is_servers_fault ? Find<google::rpc::RequestInfo>(status) : std::nullopt;
  return info.has_value() ? absl::StrCat(" (request id ", info->request_id(), ")") : "";
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status, absl::string_view address) {
  if (status.ok()) return absl::OkStatus();
  // gRPC's codes and absl's have the same numbers.
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  absl::Status result(code, "");
  google::rpc::Status details;
  if (!status.error_details().empty() && details.ParseFromString(status.error_details())) {
    result.SetPayload(kDetailsUrl, absl::Cord(status.error_details()));
  }
  std::string message = WithFields(status.error_message(), result);
  // Without details it is gRPC that speaks, of sockets: nobody answered, or the connection broke.
  if (code == absl::StatusCode::kUnavailable && !DetailsOf(result)) {
    message = absl::StrCat("no answer from a server at ", address, " (", message, ")");
  }
  if (message.empty()) message = absl::StrCat("the server gave no message (", absl::StatusCodeToString(code), ")");
  const std::string way_out = WayOut(result, status.error_message(), address);
  if (!way_out.empty()) absl::StrAppend(&message, "; ", way_out);
  absl::StrAppend(&message, RequestIdText(result));

  absl::Status full(code, message);
  result.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { full.SetPayload(url, payload); });
  return full;
}

std::optional<google::rpc::Status> DetailsOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kDetailsUrl);
  google::rpc::Status details;
  if (!payload || !details.ParseFromString(std::string(*payload))) return std::nullopt;
  return details;
}

std::vector<google::rpc::BadRequest::FieldViolation> FieldViolations(const absl::Status& status) {
  const auto bad_request = Find<google::rpc::BadRequest>(status);
  if (!bad_request) return {};
  return {bad_request->field_violations().begin(), bad_request->field_violations().end()};
}

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const auto retry = Find<google::rpc::RetryInfo>(status);
  if (!retry || !retry->has_retry_delay()) return std::nullopt;
  return absl::Seconds(retry->retry_delay().seconds()) + absl::Nanoseconds(retry->retry_delay().nanos());
}

std::string Reason(const absl::Status& status) {
  const auto info = Find<google::rpc::ErrorInfo>(status);
  return info ? info->reason() : "";
}

}  // namespace ablate::client
