#include "client/cpp/cli/exit_code.h"

#include "client/cpp/cli/output.h"
#include "client/cpp/errors.h"

namespace ablate::cli {
namespace {

// Whether a server (and not the files of this machine) says that the request names what it does not have, or what is not the
// caller's.
bool IsRefusal(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) ? !client::FieldViolations(status).empty()
                                            : client::DetailsOf(status).has_value();
}

}  // namespace

int ExitCode(const absl::Status& status) {
  if (HasReaderLeft(status)) return kExitReaderLeft;
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

}  // namespace ablate::cli
