// What `ablated verify` prints.
#pragma once

#include <string>
#include <string_view>

#include "server/verify/verify.h"

namespace ablate {

// For people: each column's floor by length with its median and worst error over all lengths, then how well the heads'
// order is kept and what the precision saves.
std::string VerifyTable(const VerifyReport& report);

// One JSON object with all figures, for programs.
std::string VerifyJson(const VerifyReport& report, std::string_view engine_version);

}  // namespace ablate
