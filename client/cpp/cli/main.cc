// `ablate`: the command-line client.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/output.h"

namespace {

constexpr char kDescription[] =
    "ablate: what does each attention head of a GPT-2 do to a prediction?\n"
    "A client for the service `ablated`.";

constexpr char kFooter[] =
    "Example:\n"
    "  ablate scan --prompt 'Berlin is the capital of' --target ' Germany' --contrast ' France'\n"
    "`ablate COMMAND --help` explains each command.\n\n";

int Main(int argc, char** argv) {
  using ablate::cli::Command;
  // A reader that left is an error of Output's, after which files and servers are cleaned up.
  signal(SIGPIPE, SIG_IGN);
  CLI::App app(kDescription, "ablate");
  app.set_version_flag("--version", "ablate " ABLATE_VERSION);
  app.require_subcommand(1);
  app.footer(absl::StrCat(kFooter, ablate::cli::kExitCodesHelp));
  std::vector<std::pair<const char*, Command>> commands = {{"scan", ablate::cli::AddScanCommand(&app)},
                                                           {"tokenize", ablate::cli::AddTokenizeCommand(&app)},
                                                           {"describe", ablate::cli::AddDescribeCommand(&app)},
                                                           {"health", ablate::cli::AddHealthCommand(&app)},
                                                           {"means", ablate::cli::AddMeansCommand(&app)}};
  // CLI11 would only say that a subcommand is missing.
  const bool is_known = std::any_of(commands.begin(), commands.end(), [&](const auto& command) {
    return argc > 1 && std::string(argv[1]) == command.first;
  });
  if (argc > 1 && argv[1][0] != '-' && !is_known) {
    std::cerr << "ablate: unknown command `" << argv[1] << "`; known are scan, tokenize, describe, health, means\n";
    return ablate::cli::kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ablate::cli::kExitOk : ablate::cli::kExitUsage;
  }
  for (const auto& [name, run] : commands) {
    if (!app.got_subcommand(name)) continue;
    const absl::Status status = run();
    if (!status.ok() && !ablate::cli::HasReaderLeft(status)) std::cerr << "ablate: " << status.message() << "\n";
    return ablate::cli::ExitCode(status);
  }
  return ablate::cli::kExitUsage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::fputs("ablate: ", stderr);
    std::fputs(error.what(), stderr);
    std::fputs("\n", stderr);
    return ablate::cli::kExitFailed;
  }
}
