#include "server/program.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"
#include "server/logging.h"
#include "server/options.h"
#include "server/server.h"
#include "server/signals.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

int Fail(const absl::Status& status) {
  std::cerr << "ablated: " << status.message() << std::endl;
  return 1;
}

// Written beside and renamed, so that whoever waits for the file never reads half of it.
absl::Status WritePortFile(const std::string& path, const Server& server) {
  const std::string temporary = path + ".tmp";
  {
    std::ofstream file(temporary);
    file << (server.port() != 0 ? std::to_string(server.port()) : server.address()) << '\n';
    if (!file.flush()) return absl::UnavailableError("cannot write --port-file " + temporary);
  }
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) return absl::UnavailableError("cannot write --port-file " + path + ": " + error.message());
  return absl::OkStatus();
}

int Main(int argc, const char* const* argv, const EngineLoader& load) {
  Options options;
  if (const auto code = ParseOptions(argc, argv, options, std::cout, std::cerr)) return *code;
  InitLogging(options.log_level);
  BlockStopSignals();

  auto server = Server::Start(options.server);
  if (!server.ok()) return Fail(server.status());
  spdlog::info("listening on {}", (*server)->address());
  if (IsPublic(options.server.listen)) {
    spdlog::warn(
        "{} can be reached from other machines: requests travel as plain text and nobody is asked who they are",
        options.server.listen);
  }
  if (!options.port_file.empty()) {
    const absl::Status status = WritePortFile(options.port_file, **server);
    if (!status.ok()) return Fail(status);
  }

  absl::Notification stop;
  std::atomic<bool> loading = true;
  OnStopSignal([&stop, &loading](int signal) {
    spdlog::info("signal {}: {}", signal, loading ? "stopping" : "draining");
    // Loading cannot be interrupted, and nobody is served yet.
    if (loading) std::_Exit(0);
    stop.Notify();
  });

  spdlog::info("loading {}", options.engine.model_dir);
  auto engine = load(options.engine);
  if (!engine.ok()) return Fail(engine.status());
  const EngineInfo& info = (*engine)->Describe();
  spdlog::info("{}: {} layers x {} heads on {} ({}), {}, {} packed tokens", options.server.model_name, info.n_layers,
               info.n_heads, info.device, info.device_name,
               std::string(info.precision == Precision::kFloat64 ? "float64" : "float32"), info.max_packed_tokens);
  (*server)->Serve(*std::move(engine));
  loading = false;
  // For people and scripts; the log goes to standard error.
  std::cout << "ablated: serving on " << (*server)->address() << std::endl;

  stop.WaitForNotification();
  const int64_t cut_off = (*server)->Drain(options.drain_timeout);
  if (cut_off > 0) spdlog::warn("{} calls were cut off after {}", cut_off, absl::FormatDuration(options.drain_timeout));
  spdlog::info("stopped");
  return 0;
}

}  // namespace

int RunProgram(int argc, const char* const* argv, const EngineLoader& load) {
  try {
    return Main(argc, argv, load);
  } catch (const std::exception& error) {
    std::cerr << "ablated: " << error.what() << std::endl;
    return 1;
  }
}

}  // namespace ablate
