// The gRPC server as a whole: opens its port at once, serves when an engine is there, drains.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/engine.h"
#include "grpcpp/server.h"
#include "server/auth/entrance.h"
#include "server/auth/tls_files.h"
#include "server/auth/token_book.h"
#include "server/executor.h"
#include "server/gate.h"
#include "server/health.h"
#include "server/jobs/job_hub.h"
#include "server/jobs/job_runner.h"
#include "server/jobs/job_store.h"
#include "server/means/mean_store.h"
#include "server/means/tenant_means.h"
#include "server/prepare.h"
#include "server/scheduler.h"
#include "server/service.h"
#include "server/verify/numeric_floor.h"

namespace ablate {

struct ServerOptions {
  // `host:port`, port 0: a free one; or `unix:PATH`.
  std::string listen = "127.0.0.1:50051";
  // Not enabled: plain text.
  TlsOptions tls = {};
  // Whom calls are taken from; null: from everybody.
  std::shared_ptr<TokenBook> tokens = nullptr;
  // What DescribeModel calls the model.
  std::string model_name = {};
  // Where mean libraries are; null: nowhere.
  std::shared_ptr<MeanStore> means = nullptr;
  // Where jobs are; null: nowhere.
  std::shared_ptr<JobStore> jobs = nullptr;
  // Why there are none; empty: nobody asked for them.
  std::string why_no_jobs = {};
  JobRetention job_retention = {};
  // How long jobs wait when the engine fails, the first time.
  absl::Duration job_engine_pause = absl::Seconds(10);
  // Most jobs of one tenant that have not ended.
  int64_t max_open_jobs = 1000;
  RequestLimits limits = {};
  // Of a job.
  RequestLimits job_limits = {.cost = 100'000'000'000, .tokens = 10'000'000};
  // Most requests, and most packed tokens x layers, that wait for the device.
  int32_t queue_size = 256;
  int64_t max_queue_cost = RequestQueueOptions().max_cost;
  absl::Duration batch_window = absl::Milliseconds(1);
  // What the summaries of all requests may keep together (server/delta_table.h).
  int64_t max_delta_values = kMaxDeltaValuesTogether;
  // Largest message taken.
  int32_t max_message_bytes = 16 << 20;
  // Most bytes of one stream's results that wait for its reader.
  int64_t max_stream_bytes = 4 << 20;
  // How long a stream's reader may take nothing before the call is ended.
  absl::Duration max_write_stall = absl::Minutes(5);
  // Calls open at once: in the whole server, and on one connection.
  int32_t max_calls = 1024;
  int32_t max_calls_per_connection = 128;
  // Called once where the device is lost (engine/device_lost.h), in the device's thread; must not wait for the server.
  // Health says NOT_SERVING then, no call comes in, and those that need the device end with UNAVAILABLE (what ran for
  // DEVICE_LOST): what is left is to drain and to end the process.
  std::function<void()> on_device_lost = nullptr;
};

class Server {
 public:
  // Opens the port. Health says NOT_SERVING and calls are UNAVAILABLE until Serve. A unix socket that a crash left is
  // taken over, that of a living server is not.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);
  // Drains without patience.
  ~Server();

  // What clients connect to: `options.listen` with the port that was picked.
  const std::string& address() const { return address_; }
  // 0 for a unix socket.
  int port() const { return port_; }

  // Lets calls in. `numeric_floor` is what manifests tell of the engine's. Once; not after Drain.
  void Serve(std::unique_ptr<Engine> engine, std::vector<NumericFloor> numeric_floor = {});

  // NOT_SERVING and no new call from now on; those that run may end within `timeout`, then they are cut off. Returns
  // how many were. The port is closed behind it, and a unix socket's file removed. Later calls do nothing.
  int64_t Drain(absl::Duration timeout);

 private:
  explicit Server(const ServerOptions& options);
  absl::Status Listen();

  const ServerOptions options_;
  std::string address_;
  int port_ = 0;
  bool drained_ = false;

  // In the order in which they may go, last first: calls end before what they use.
  std::unique_ptr<TenantMeans> means_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Executor> explanations_;
  std::unique_ptr<Executor> summaries_;
  std::unique_ptr<StallGuard> stall_guard_;
  JobHub job_hub_;
  std::unique_ptr<JobRunner> job_runner_;
  Gate gate_;
  Entrance entrance_;
  HealthService health_;
  AblationServiceImpl service_;
  std::unique_ptr<grpc::Server> grpc_;
};

}  // namespace ablate
