// What `ablated verify` prints.
#pragma once

#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "server/verify/verify.h"

namespace ablate {

// One model on one device in one precision or several, one report each; not empty.

// For people. Of one report each column's floor by length with its median and worst error over all lengths; of several
// the medians and worst errors side by side. Then how well the heads' order is kept and what the precision saves.
std::string VerifyTable(absl::Span<const VerifyReport> reports);

// One JSON object with all figures, for programs.
std::string VerifyJson(absl::Span<const VerifyReport> reports, std::string_view engine_version);

}  // namespace ablate
