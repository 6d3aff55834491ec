// `ablate`: the command-line client.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/usage_error.h"

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
  // Who asks a server again and again until it is there (`job watch`) makes short calls: between them gRPC sees only
  // this often that a connection has come about, and by default every five seconds.
  setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "100", /*overwrite=*/0);
  CLI::App app(kDescription, "ablate");
  app.set_version_flag("--version", "ablate " ABLATE_VERSION);
  app.require_subcommand(1);
  app.footer(absl::StrCat(kFooter, ablate::cli::kExitCodesHelp));
  std::vector<std::pair<const char*, Command>> commands = {
      {"scan", ablate::cli::AddScanCommand(&app)},         {"tokenize", ablate::cli::AddTokenizeCommand(&app)},
      {"describe", ablate::cli::AddDescribeCommand(&app)}, {"health", ablate::cli::AddHealthCommand(&app)},
      {"means", ablate::cli::AddMeansCommand(&app)},       {"job", ablate::cli::AddJobCommand(&app)},
      {"diff", ablate::cli::AddDiffCommand(&app)},         {"token", ablate::cli::AddTokenCommand(&app)}};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version come this way too.
    if (error.get_exit_code() == 0) return app.exit(error);
    std::cerr << "ablate: " << ablate::cli::UsageMessage(app, error) << "\n";
    return ablate::cli::kExitUsage;
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
