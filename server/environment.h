// Options that may also stand in the environment.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"

namespace ablate {

// The command line for CLI::App::parse, with the environment's options in front of it: `--max-calls` is
// ABLATE_MAX_CALLS. Names the variable in each option's description, and lets the last of several values count: the
// command line wins over the environment, and the environment over a configuration file.
std::vector<std::string> WithEnvironment(CLI::App& app, int argc, const char* const* argv);

}  // namespace ablate
