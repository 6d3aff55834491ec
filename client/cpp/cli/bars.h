// Signed numbers as bars around a middle line.
#pragma once

#include <string>

#include "client/cpp/cli/style.h"

namespace ablate::cli {

// `value` on a scale up to `max_abs`, e.g. `    ###|       `: 2 * half_width + 1 characters.
std::string Bar(double value, double max_abs, int half_width, Color color);

}  // namespace ablate::cli
