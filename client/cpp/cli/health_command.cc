// `ablate health`.
#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/interrupt.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/session.h"

namespace ablate::cli {
namespace {

using grpc::health::v1::HealthCheckResponse;

struct HealthOptions {
  CommonOptions common;
  std::string wait;
  bool quiet = false;
};

constexpr char kFooter[] =
    "Exits with 0 when the server is SERVING, so that it can be a container's health check.\n"
    "Examples:\n"
    "  ablate health\n"
    "  ablate health --server 127.0.0.1:50051 --wait 60s\n\n";

absl::Status CheckOnce(Session& session) {
  const auto serving = session.client().Health(session.call());
  if (!serving.ok()) return serving.status();
  if (*serving == HealthCheckResponse::SERVING) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("the server at ", session.client().address(), " is ",
                                             HealthCheckResponse::ServingStatus_Name(*serving)));
}

absl::Status RunHealth(const HealthOptions& options) {
  absl::Duration wait;
  if (!options.wait.empty()) {
    const auto parsed = ParseTimeout("--wait", options.wait);
    if (!parsed.ok()) return parsed.status();
    wait = *parsed;
  }
  InterruptScope interrupt;
  auto session = Session::Open(options.common, absl::Seconds(5), interrupt.cancellation());
  if (!session.ok()) return session.status();
  const absl::Time end = absl::Now() + wait;
  auto status = CheckOnce(*session);
  while (!status.ok() && absl::Now() < end) {
    session->client().AwaitConnection(absl::Milliseconds(200));
    if (interrupt.cancellation()->WaitFor(absl::Milliseconds(50))) return absl::CancelledError("interrupted");
    status = CheckOnce(*session);
  }
  if (!status.ok() || options.quiet) return status;
  const auto output = Output::Standard();
  status = output->Write("SERVING\n");
  status.Update(output->Commit());
  return status;
}

}  // namespace

Command AddHealthCommand(CLI::App* app) {
  auto options = std::make_shared<HealthOptions>();
  auto* command = app->add_subcommand("health", "Ask whether the server is ready.");
  command->add_option("--wait", options->wait, "Ask again until it is ready, at most this long, e.g. 60s");
  command->add_flag("--quiet", options->quiet, "Print nothing when it is ready");
  AddCommonOptions(command, &options->common, "5s");
  command->footer(absl::StrCat(kFooter, kExitCodesHelp));
  return [options] { return RunHealth(*options); };
}

}  // namespace ablate::cli
