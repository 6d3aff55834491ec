#include "engine/device_lost.h"

#include "absl/strings/cord.h"

namespace ablate {
namespace {

constexpr absl::string_view kPayload = "ablate/device-lost";

}  // namespace

absl::Status DeviceLostError(absl::string_view message) {
  absl::Status status = absl::UnavailableError(message);
  status.SetPayload(kPayload, absl::Cord());
  return status;
}

bool IsDeviceLost(const absl::Status& status) {
  return status.GetPayload(kPayload).has_value();
}

}  // namespace ablate
