#include "server/program.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/auth/listen_address.h"
#include "server/jobs/open_store.h"
#include "server/logging.h"
#include "server/means/open_store.h"
#include "server/options.h"
#include "server/server.h"
#include "server/signals.h"
#include "server/unix_socket.h"
#include "server/verify/floor_file.h"
#include "server/verify_command.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

// Where the device is lost: what calls get to end in, and when the process ends at the latest.
constexpr absl::Duration kPatienceWithoutDevice = absl::Seconds(2), kMostWithoutDevice = absl::Seconds(4);

int Fail(const absl::Status& status) {
  std::cerr << "ablated: " << status.message() << std::endl;
  return 1;
}

// The file that tells the port, for as long as the server lives.
class PortFile {
 public:
  PortFile() = default;
  ~PortFile() { Remove(); }
  PortFile(const PortFile&) = delete;
  PortFile& operator=(const PortFile&) = delete;

  // Written beside and renamed, so that whoever waits for the file never reads half of it.
  absl::Status Write(const std::string& path, const Server& server) {
    const std::string temporary = path + ".tmp";
    {
      std::ofstream file(temporary);
      file << (server.port() != 0 ? std::to_string(server.port()) : server.address()) << '\n';
      if (!file.flush()) return absl::UnavailableError("cannot write --port-file " + temporary);
    }
    std::error_code error;
    std::filesystem::rename(temporary, path, error);
    if (error) return absl::UnavailableError("cannot write --port-file " + path + ": " + error.message());
    path_ = path;
    return absl::OkStatus();
  }
  void Remove() const {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(path_, ignored);
  }

 private:
  std::string path_;
};

// What `ablated verify` measured on this device. A file that cannot be used is none: results are the same without it.
std::vector<NumericFloor> LoadNumericFloor(const Options& options, const EngineInfo& info) {
  const bool is_named = !options.numeric_floor.empty();
  const std::string path = is_named ? options.numeric_floor : DefaultFloorFile(options.engine.model_dir);
  auto floors = ReadFloors(path, MakeFloorKey(info, ABLATE_VERSION));
  if (floors.ok()) {
    spdlog::info("numeric floor: {} figures from {}", floors->size(), path);
    return *std::move(floors);
  }
  const bool is_expected = absl::IsNotFound(floors.status()) && !is_named;
  spdlog::log(is_expected ? spdlog::level::info : spdlog::level::warn,
              "no numeric floor: {}; `ablated verify` measures it", std::string(floors.status().message()));
  return {};
}

// Of an address that other machines can reach: what they can do there.
void WarnOfStrangers(const Options& options) {
  if (!IsPublic(options.server.listen)) return;
  const TlsOptions& tls = options.server.tls;
  if (!tls.enabled()) {
    spdlog::warn("{} can be reached from other machines: {} travel as plain text (--insecure)", options.server.listen,
                 options.tokens.empty() ? "requests" : "requests and tokens");
  }
  if (tls.client_ca.empty() && options.tokens.empty()) {
    spdlog::warn("{} can be reached from other machines, and nobody is asked who they are (--tokens)",
                 options.server.listen);
  }
}

int Main(int argc, const char* const* argv, const EngineLoader& load) {
  if (argc > 1 && std::string_view(argv[1]) == "verify") {
    return RunVerify(argc - 1, argv + 1, load, std::cout, std::cerr);
  }
  Options options;
  if (const auto code = ParseOptions(argc, argv, options, std::cout, std::cerr)) return *code;
  InitLogging(options.log_level);
  BlockStopSignals();
  if (options.stop_with_stdin) StopWithStandardInput();

  auto means = OpenMeanStore(options.means_dir, options.engine.model_dir);
  if (!means.ok()) return Fail(means.status());
  options.server.means = *std::move(means);
  auto jobs = OpenJobStore(options.jobs_dir);
  if (!jobs.ok()) return Fail(jobs.status());
  options.server.jobs = std::move(jobs->store);
  options.server.why_no_jobs = jobs->why_none;
  if (!options.tokens.empty()) {
    auto tokens = TokenBook::Open(options.tokens);
    if (!tokens.ok()) return Fail(tokens.status());
    options.server.tokens = *std::move(tokens);
  }
  absl::Notification stop;
  std::once_flag stopped;
  const auto stop_once = [&] { std::call_once(stopped, [&] { stop.Notify(); }); };
  PortFile port_file;
  const auto remove_files = [&] {
    port_file.Remove();
    std::error_code ignored;
    if (const std::string path = UnixSocketPath(options.server.listen); !path.empty()) {
      std::filesystem::remove(path, ignored);
    }
  };
  std::atomic<bool> device_lost = false;
  options.server.on_device_lost = [&] {
    device_lost = true;
    // A drain may hang on what waits for the device.
    std::thread([&remove_files] {
      absl::SleepFor(kMostWithoutDevice);
      remove_files();
      std::_Exit(1);
    }).detach();
    stop_once();
  };
  auto server = Server::Start(options.server);
  if (!server.ok()) return Fail(server.status());
  spdlog::info("listening on {}", (*server)->address());
  WarnOfStrangers(options);
  if (!options.port_file.empty()) {
    const absl::Status status = port_file.Write(options.port_file, **server);
    if (!status.ok()) return Fail(status);
  }

  std::atomic<bool> loading = true;
  const StopSignals signals([&](int signal) {
    spdlog::info("signal {}: {}", signal, loading ? "stopping" : "draining");
    if (loading) {
      // It cannot be interrupted, and nobody is served yet. What would be removed at the end goes now.
      remove_files();
      std::_Exit(0);
    }
    stop_once();
  });

  spdlog::info("loading {}", options.engine.model_dir);
  auto engine = load(options.engine);
  if (!engine.ok()) return Fail(engine.status());
  const EngineInfo& info = (*engine)->Describe();
  spdlog::info("{}: {} layers x {} heads on {} ({}), {}, {} packed tokens, {} MiB for passes",
               options.server.model_name, info.n_layers, info.n_heads, info.device, info.device_name,
               Name(info.precision), info.max_packed_tokens, info.memory_budget_bytes >> 20);
  if (!info.why_cpu.empty()) spdlog::info("--device auto took the CPU: {}", info.why_cpu);
  std::vector<NumericFloor> numeric_floor = LoadNumericFloor(options, info);
  // Before the first call can come in: a signal would cut it off.
  loading = false;
  (*server)->Serve(*std::move(engine), std::move(numeric_floor));
  // For people and scripts; the log goes to standard error.
  std::cout << "ablated: serving on " << (*server)->address() << std::endl;

  stop.WaitForNotification();
  const int64_t cut_off = (*server)->Drain(device_lost ? kPatienceWithoutDevice : options.drain_timeout);
  if (cut_off > 0) spdlog::warn("{} calls were cut off after {}", cut_off, absl::FormatDuration(options.drain_timeout));
  spdlog::info("stopped");
  if (device_lost) {
    // What frees its memory may not come back, or throw: nothing of it is waited for.
    remove_files();
    spdlog::shutdown();
    std::_Exit(1);
  }
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
