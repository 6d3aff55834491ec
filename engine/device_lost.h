// The error of a device that is lost to this process.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ablate {

// UNAVAILABLE: whatever runs on the device from now on fails too, until another process takes it (a CUDA error that
// sticks: an illegal access, a failed launch, an uncorrectable memory error). `message` names the device and the error.
absl::Status DeviceLostError(absl::string_view message);

// Whether a status is such an error.
bool IsDeviceLost(const absl::Status& status);

}  // namespace ablate
