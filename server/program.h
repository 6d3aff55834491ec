// What `ablated` does from its first line to its exit code, given a way to load an engine.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "engine/engine.h"

namespace ablate {

using EngineLoader = std::function<absl::StatusOr<std::unique_ptr<Engine>>(const EngineOptions&)>;

// `verify` as the first argument measures the numeric floor (verify_command.h). All else serves until SIGTERM or
// SIGINT. Returns the exit code: 0 after a drain, --help or --version; 1 where the port or the model cannot be had,
// with one line on standard error, or where the device is lost (within 5 s); 2 for a bad option. The port file and a
// unix socket are gone then. A second signal ends the process at once with 128 + its number, and they stay.
int RunProgram(int argc, const char* const* argv, const EngineLoader& load);

}  // namespace ablate
