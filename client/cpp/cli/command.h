// What a subcommand of `ablate` is to main.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"

namespace CLI {
class App;
}

namespace ablate::cli {

// Runs the command after a successful parse.
using Command = std::function<absl::Status()>;

// Each adds its subcommand to `app` and returns how to run it.
Command AddScanCommand(CLI::App* app);
Command AddTokenizeCommand(CLI::App* app);
Command AddDescribeCommand(CLI::App* app);
Command AddHealthCommand(CLI::App* app);
Command AddMeansCommand(CLI::App* app);
Command AddTokenCommand(CLI::App* app);
Command AddJobCommand(CLI::App* app);
Command AddDiffCommand(CLI::App* app);

}  // namespace ablate::cli
