#include "client/cpp/cli/exit_code.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/errors.h"

namespace ablate::cli {
namespace {

constexpr absl::string_view kOwnCode = "ablate/exit-code";

// Whether a server (and not the files of this machine) says that the request names what it does not have, or what is
// not the caller's.
bool IsRefusal(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) ? !client::FieldViolations(status).empty()
                                            : client::DetailsOf(status).has_value();
}

}  // namespace

int ExitCode(const absl::Status& status) {
  if (HasReaderLeft(status)) return kExitReaderLeft;
  int code = 0;
  if (const auto own = status.GetPayload(kOwnCode); own && absl::SimpleAtoi(std::string(*own), &code)) return code;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
      return IsRefusal(status) ? kExitUsage : kExitFailed;
    case absl::StatusCode::kUnavailable:
      return kExitUnavailable;
    case absl::StatusCode::kResourceExhausted:
      // A full queue empties; a request that is too large stays too large.
      return client::RetryDelay(status) ? kExitUnavailable : kExitFailed;
    case absl::StatusCode::kDeadlineExceeded:
      return kExitDeadline;
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    default:
      return kExitFailed;
  }
}

absl::Status WithExitCode(absl::Status status, int code) {
  status.SetPayload(kOwnCode, absl::Cord(absl::StrCat(code)));
  return status;
}

}  // namespace ablate::cli
