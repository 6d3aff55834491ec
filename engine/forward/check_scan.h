// What a scan must be before it runs.
#pragma once

#include "absl/status/status.h"
#include "engine/model/config.h"
#include "engine/types.h"

namespace ablate {

// InvalidArgument names the field, what came, and the range.
absl::Status CheckScan(const Scan& scan, const GptConfig& config);

}  // namespace ablate
