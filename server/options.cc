#include "server/options.h"

#include <filesystem>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/auth/listen_address.h"
#include "server/engine_options.h"
#include "server/environment.h"

namespace ablate {
namespace {

// `host:port` or `unix:PATH`; empty where it is right, as CLI11 wants it.
std::string CheckListen(const std::string& listen) {
  if (absl::StartsWith(listen, "unix:")) {
    constexpr size_t kMaxPath = 107;
    const size_t length = listen.size() - 5;
    if (length == 0) return "unix: needs a path";
    return length > kMaxPath ? absl::StrCat("the socket's path has ", length, " bytes, at most 107 are possible") : "";
  }
  const size_t colon = listen.rfind(':');
  const std::string port = colon == std::string::npos ? "" : listen.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (colon == 0 || !digits || std::stoi(port) > 65535) {
    return absl::StrCat("got `", listen, "`, expected HOST:PORT with a port of 0 .. 65535, or unix:PATH");
  }
  return "";
}

// Values that CLI11 cannot write straight into the options.
struct Raw {
  double batch_window_ms = 1;
  double drain_timeout_s = 30;
  double max_write_stall_s = 300;
  double job_retention_days = 30;
};

void AddNetwork(CLI::App& app, Options& options, Raw& raw) {
  ServerOptions& server = options.server;
  app.add_option("--listen", server.listen,
                 "Address: HOST:PORT (port 0 picks a free one and prints it) or unix:PATH. One that other machines can "
                 "reach needs --tls-cert and --tls-key, or --insecure")
      ->check(CheckListen);
  app.add_option("--port-file", options.port_file,
                 "File to write the port to (of a unix socket: the address) once the port is open");
  app.add_option("--max-message-bytes", server.max_message_bytes, "Largest request, in bytes")
      ->check(CLI::Range(1024, 1 << 30));
  app.add_option("--max-stream-bytes", server.max_stream_bytes,
                 "Most bytes of one stream's results that wait for a slow reader before its prompts are held back")
      ->check(CLI::Range(int64_t{1024}, int64_t{1} << 40));
  app.add_option("--max-write-stall", raw.max_write_stall_s,
                 "Seconds that the reader of a stream may take nothing before its call is ended with ABORTED")
      ->check(CLI::Range(0.1, 86'400.0));
  app.add_option("--max-calls", server.max_calls, "Most calls open at once")->check(CLI::Range(1, 1 << 20));
  app.add_option("--max-calls-per-connection", server.max_calls_per_connection, "Most calls open on one connection")
      ->check(CLI::Range(1, 1 << 20));
}

void AddIdentity(CLI::App& app, Options& options) {
  TlsOptions& tls = options.server.tls;
  app.add_option("--tls-cert", tls.certificate,
                 "PEM file of the server's certificate and what stands between it and its CA: speak TLS");
  app.add_option("--tls-key", tls.key, "PEM file of the certificate's key, without a passphrase");
  app.add_option("--tls-client-ca", tls.client_ca,
                 "PEM file of a CA: clients need a certificate of it (mutual TLS), those that only ask for health too");
  app.add_option(
      "--tokens", options.tokens,
      "File of API tokens (`ablate token create`): every call but health then needs one, and sees its tenant's "
      "jobs and mean libraries only. Read again when it changes");
  app.add_flag("--insecure", options.insecure,
               "Serve plain text to other machines too: whoever is on the way reads and changes what travels");
}

// What no single option can know.
void CheckIdentity(const Options& options) {
  const TlsOptions& tls = options.server.tls;
  if (tls.certificate.empty() != tls.key.empty()) {
    throw CLI::ValidationError(tls.key.empty() ? "--tls-cert" : "--tls-key", "TLS needs both --tls-cert and --tls-key");
  }
  if (!tls.client_ca.empty() && !tls.enabled()) {
    throw CLI::ValidationError("--tls-client-ca", "mutual TLS needs --tls-cert and --tls-key too");
  }
  if (IsPublic(options.server.listen) && !tls.enabled() && !options.insecure) {
    throw CLI::ValidationError(
        "--listen", absl::StrCat("got `", options.server.listen,
                                 "`, which other machines can reach, and plain text: give --tls-cert and --tls-key, "
                                 "listen on 127.0.0.1 or unix:PATH, or say --insecure where the network is trusted"));
  }
}

void AddModel(CLI::App& app, Options& options) {
  AddEngineOptions(app, options.engine);
  AddFolderOrNone(
      app, "--means-dir", options.means_dir,
      "Folder of mean libraries (`ablate means`), made where it is missing; `none` keeps none. Those in the folder "
      "`means` of the model are read in any case")
      ->default_str("$XDG_DATA_HOME/ablate/means, else ~/.local/share/ablate/means");
  app.add_option("--model-name", options.server.model_name, "The model's name in results; default: the folder's name");
  app.add_option("--numeric-floor", options.numeric_floor,
                 "File of floors that `ablated verify` measured; default: numeric_floor.json in the model's folder");
  app.add_option(
         "--memory-budget", options.engine.memory_budget_bytes,
         "Bytes that forward passes may take beside the weights, also as 4GiB or 500MB: passes get as many tokens as "
         "fit. 0: half of what is free once the model is loaded. A single variant of a long prompt cannot be cut, and "
         "may exceed it")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 50));
  app.add_option("--max-packed-tokens", options.engine.max_packed_tokens,
                 "Most packed tokens in a layer of one forward pass; 0: as many as --memory-budget holds")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
}

void AddJobs(CLI::App& app, Options& options, Raw& raw) {
  AddFolderOrNone(
      app, "--jobs-dir", options.jobs_dir,
      "Folder of jobs and their results (`ablate job`), made where it is missing, of one server at a time; `none` "
      "keeps none. Where another server has the default one, this one keeps no jobs")
      ->default_str("$XDG_DATA_HOME/ablate/jobs, else ~/.local/share/ablate/jobs");
  app.add_option("--job-retention", raw.job_retention_days, "Days for which a job that has ended is kept; 0: for good")
      ->check(CLI::Range(0.0, 36'500.0));
  app.add_option("--max-job-store-bytes", options.server.job_retention.bytes,
                 "Most bytes of all jobs' results; where there are more, of the tenant with the most of them the jobs "
                 "that ended first are deleted, but none within an hour of its end; a job that gives more alone is "
                 "refused")
      ->check(CLI::Range(int64_t{1} << 20, INT64_MAX));
  app.add_option("--max-open-jobs", options.server.max_open_jobs, "Most jobs of one tenant that have not ended")
      ->check(CLI::Range(int64_t{1}, INT64_MAX));
  app.add_option("--max-job-cost", options.server.job_limits.cost,
                 "Most that one job may cost, counted as --max-request-cost is; dearer ones are refused")
      ->check(CLI::Range(int64_t{1}, INT64_MAX));
  app.add_option("--max-job-tokens", options.server.job_limits.tokens,
                 "Most tokens that the prompts of one job may have together; larger ones are refused")
      ->check(CLI::Range(int64_t{1}, INT64_MAX));
}

void AddScheduling(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--max-request-tokens", options.server.limits.tokens,
                 "Most tokens that the prompts or texts of one request may have together; larger ones are refused")
      ->check(CLI::Range(int64_t{1}, INT64_MAX));
  app.add_option(
         "--max-request-cost", options.server.limits.cost,
         "Most that one request may cost, in packed tokens x layers, where each position that a run is read at counts "
         "as vocabulary / (4 width + 2 MLP width) of one (5.45 for GPT-2 Small); dearer ones are refused")
      ->check(CLI::Range(int64_t{1}, INT64_MAX));
  app.add_option("--queue-size", options.server.queue_size, "Most requests that wait for the device")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--max-queue-cost", options.server.max_queue_cost,
                 "Most that the requests which wait for the device may cost together, in packed tokens x layers; a "
                 "request that finds the queue empty is let in whatever it costs")
      ->check(CLI::Range(int64_t{1}, INT64_MAX));
  app.add_option("--max-batch-wait", raw.batch_window_ms,
                 "Milliseconds that a busy device waits for more requests to share its next forward pass; an idle one "
                 "never waits")
      ->check(CLI::Range(0.0, 10'000.0));
  app.add_option("--drain-timeout", raw.drain_timeout_s,
                 "Seconds that running requests have to end after SIGTERM or SIGINT; a second signal ends at once")
      ->check(CLI::Range(0.0, 86'400.0));
  app.add_flag("--stop-with-stdin", options.stop_with_stdin,
               "Stop, as at SIGTERM, when standard input ends: a program that holds the other end of a pipe is not "
               "outlived, however it ends");
  app.add_option("--log-level", options.log_level, "What to write to standard error: debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
}

std::string FolderName(const std::string& path) {
  const auto clean = std::filesystem::path(path).lexically_normal();
  return (clean.has_filename() ? clean.filename() : clean.parent_path().filename()).string();
}

}  // namespace

std::optional<int> ParseOptions(int argc, const char* const* argv, Options& options, std::ostream& out,
                                std::ostream& err) {
  CLI::App app(
      "ablated: serves attention-head ablations of a GPT-2 over gRPC.\n"
      "`ablated verify` measures instead how far its results are from float64 (ablated verify --help).\n"
      "Every option may also stand in the environment (the name in parentheses) or in the file of --config "
      "(`name = value`). The command line wins over the environment, the environment over the file.",
      "ablated");
  app.option_defaults()->always_capture_default();
  app.set_version_flag("--version", "ablated " ABLATE_VERSION, "Print the version and exit");
  app.get_formatter()->column_width(34);
  Raw raw;
  AddNetwork(app, options, raw);
  AddIdentity(app, options);
  AddModel(app, options);
  AddScheduling(app, options, raw);
  AddJobs(app, options, raw);
  app.set_config("--config", "", "File with options, TOML or INI: `name = value` a line");
  app.allow_config_extras(false);
  try {
    app.parse(WithEnvironment(app, argc, argv));
    CheckIdentity(options);
    options.server.batch_window = absl::Milliseconds(raw.batch_window_ms);
    options.drain_timeout = absl::Seconds(raw.drain_timeout_s);
    options.server.max_write_stall = absl::Seconds(raw.max_write_stall_s);
    options.server.job_retention.age =
        raw.job_retention_days == 0 ? absl::InfiniteDuration() : absl::Hours(24 * raw.job_retention_days);
    if (options.server.model_name.empty()) options.server.model_name = FolderName(options.engine.model_dir);
    return std::nullopt;
  } catch (const CLI::Success& success) {
    app.exit(success, out, err);
    return 0;
  } catch (const std::exception& error) {
    err << "ablated: " << error.what() << " (see ablated --help)\n";
    return 2;
  }
}

}  // namespace ablate
