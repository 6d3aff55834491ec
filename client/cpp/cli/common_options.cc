#include "client/cpp/cli/common_options.h"

#include <CLI/CLI.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace ablate::cli {

namespace {

constexpr char kServer[] = "Where the service is";
constexpr char kIdentity[] = "How to reach a server that is shared";

}  // namespace

void AddServerOptions(CLI::App* command, CommonOptions* options, const std::string& default_timeout) {
  command
      ->add_option("--server", options->server,
                   "host:port or unix:/path (default: $ABLATE_SERVER, else 127.0.0.1:50051)")
      ->group(kServer);
  command->add_flag("--tls", options->tls, "Speak TLS to the server (--tls-ca says so too)")->group(kIdentity);
  command
      ->add_option("--tls-ca", options->tls_ca,
                   "PEM file of the CA that vouches for the server (default: $ABLATE_TLS_CA, else the system's)")
      ->group(kIdentity);
  command
      ->add_option("--tls-cert", options->tls_certificate,
                   "PEM file of your certificate, for a server that asks for one")
      ->group(kIdentity);
  command->add_option("--tls-key", options->tls_key, "PEM file of its key")->group(kIdentity);
  command
      ->add_option("--token", options->token,
                   "API token (default: $ABLATE_TOKEN, which other users of this machine cannot see)")
      ->group(kIdentity);
  command->add_flag("--insecure", options->insecure, "Send the token in plain text to another machine too")
      ->group(kIdentity);
  command->add_option(
      "--timeout", options->timeout,
      absl::StrCat("Longest time for the call: 30s, 500ms, 2m, or seconds (default: ", default_timeout, ")"));
}

void AddCommonOptions(CLI::App* command, CommonOptions* options, const std::string& default_timeout) {
  AddServerOptions(command, options, default_timeout);
  auto* server = command->get_option("--server");
  auto* local = command->add_flag("--local", options->local, "Start an `ablated` for this command only; needs --model");
  auto* model =
      command->add_option("--model", options->model, "Model folder in Hugging Face's GPT-2 layout (with --local)");
  auto* device = command->add_option("--device", options->device, "auto, cpu or cuda:N (with --local)");
  auto* precision =
      command->add_option("--precision", options->precision, "float32, bf16, float64, or tf32 on a GPU (with --local)");
  auto* threads =
      command->add_option("--threads", options->threads, "CPU threads (with --local)")->check(CLI::Range(1, 4096));
  auto* start = command->add_option("--start-timeout", options->start_timeout,
                                    "How long the local server may take to be ready (default: 2m)");
  local->needs(model)->excludes(server);
  for (const char* name : {"--tls", "--tls-ca", "--tls-cert", "--tls-key", "--token", "--insecure"}) {
    local->excludes(command->get_option(name));
  }
  for (auto* option : {local, model, device, precision, threads, start}) {
    option->group(kServer);
    if (option != local) option->needs(local);
  }
}

absl::StatusOr<absl::Duration> ParseTimeout(const std::string& option, const std::string& text) {
  absl::Duration duration;
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration)) {
    duration = absl::ZeroDuration();
  }
  if (duration > absl::ZeroDuration() && duration < absl::InfiniteDuration()) return duration;
  return absl::InvalidArgumentError(
      absl::StrCat(option, " `", text, "`: expected a time over 0 such as 30s, 500ms, 2m, or a number of seconds"));
}

}  // namespace ablate::cli
