// The log: spdlog to standard error, gRPC's own lines included.
#pragma once

#include <string>

namespace ablate {

// `level`: debug, info, warn or error.
void InitLogging(const std::string& level);

}  // namespace ablate
