// `ablated verify`: how far this model on this device is from float64.
#pragma once

#include <ostream>

#include "server/program.h"

namespace ablate {

// `argv[0]` is the subcommand's name. Prints the report to `out`, progress and errors to `err`, and keeps the floors
// beside the model. Returns the exit code: 0, also where the model's folder cannot be written; 1 where an engine cannot
// be loaded, its device lacks a precision that was named, a value is not finite, or the file of --cache cannot be used;
// 2 for a bad option. What was measured before something failed is printed and kept.
int RunVerify(int argc, const char* const* argv, const EngineLoader& load, std::ostream& out, std::ostream& err);

}  // namespace ablate
