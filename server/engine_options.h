// The options that every way of starting an engine has.
#pragma once

#include "CLI/CLI.hpp"
#include "engine/engine.h"

namespace ablate {

// Adds --model (required), --device, --precision and --threads, which write to `options`; it outlives `app`.
void AddEngineOptions(CLI::App& app, EngineOptions& options);

}  // namespace ablate
