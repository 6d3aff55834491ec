// Exceptions end here: no module's edge lets one through.
#pragma once

#include "absl/status/status.h"

namespace ablate {

// The exception being handled, as a status; call it in a catch block. ResourceExhausted where memory ran out, of the
// device or of the host, else Internal.
absl::Status CaughtStatus();

}  // namespace ablate
