// The options that every way of starting an engine has.
#pragma once

#include "CLI/CLI.hpp"
#include "engine/engine.h"

namespace ablate {

// Adds --model (required), --device and --threads, which write to `options`; it outlives `app`.
void AddModelOptions(CLI::App& app, EngineOptions& options);

// The same and --precision.
void AddEngineOptions(CLI::App& app, EngineOptions& options);

}  // namespace ablate
