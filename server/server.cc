#include "server/server.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server_builder.h"
#include "server/auth/server_credentials.h"
#include "server/call_log.h"
#include "server/unix_socket.h"

namespace ablate {
namespace {

// A prompt's plan costs about as much in its widest layer as in two average ones, since rows fan out evenly: with half
// of the budget in every layer on average, a batch of sweeps over heads fits into one forward pass. A GPU computes one
// while the next one is planned: there it is several, of milliseconds each.
int64_t BatchCost(const EngineInfo& info) {
  const int64_t passes = info.device == "cpu" ? 1 : 4;
  return std::max<int64_t>(1, passes * info.max_packed_tokens * info.n_layers / 2);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  std::unique_ptr<Server> server(new Server(options));
  absl::Status status = server->Listen();
  if (!status.ok()) return status;
  return server;
}

Server::Server(const ServerOptions& options)
    : options_(options), gate_(options.max_calls), entrance_(&gate_, options.tokens.get()), service_(&entrance_) {}

Server::~Server() {
  Drain(absl::ZeroDuration());
}

absl::Status Server::Listen() {
  auto credentials = MakeServerCredentials(options_.tls);
  if (!credentials.ok()) return credentials.status();
  const std::string socket_path = UnixSocketPath(options_.listen);
  const bool is_unix = !socket_path.empty();
  if (is_unix) {
    const absl::Status claimed = ClaimUnixSocket(socket_path);
    if (!claimed.ok()) return claimed;
  }
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<CallLogFactory>());
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options_.listen, *std::move(credentials), &port_);
  builder.RegisterService(&service_);
  builder.RegisterService(&health_);
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  builder.SetMaxReceiveMessageSize(options_.max_message_bytes);
  builder.SetMaxSendMessageSize(-1);
  // Two servers on one port would share its connections without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // This gRPC is from before the fix of HTTP/2's rapid reset: few streams a connection, and a bound on all buffers.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options_.max_calls_per_connection);
  grpc::ResourceQuota quota("ablated");
  constexpr size_t kTransportBytes = size_t{512} << 20;
  quota.Resize(std::max(kTransportBytes, size_t{8} * static_cast<size_t>(options_.max_message_bytes)));
  builder.SetResourceQuota(quota);
  // Finds clients that are gone without a word, and lets others look whether the server is.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  // A socket in the file system is for this user only; nobody else asks for files here while the port opens.
  const mode_t mask = is_unix ? umask(0077) : 0;
  grpc_ = builder.BuildAndStart();
  if (is_unix) umask(mask);
  if (grpc_ == nullptr || (port_ == 0 && !is_unix)) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.listen,
                                               ": the address is in use, unknown or not permitted (--listen)"));
  }
  if (is_unix) {
    port_ = 0;
    address_ = options_.listen;
  } else {
    address_ = absl::StrCat(options_.listen.substr(0, options_.listen.rfind(':')), ":", port_);
  }
  return absl::OkStatus();
}

void Server::Serve(std::unique_ptr<Engine> engine, std::vector<NumericFloor> numeric_floor) {
  engine_ = std::move(engine);
  const SchedulerOptions scheduling = {.queue = {.max_requests = options_.queue_size,
                                                 .max_cost = options_.max_queue_cost,
                                                 .batch_cost = BatchCost(engine_->Describe()),
                                                 .cost_per_second = engine_->Describe().self_test_cost_per_second},
                                       .batch_window = options_.batch_window,
                                       .on_device_lost = [this] {
                                         health_.SetServing(false);
                                         gate_.Close();
                                         if (options_.on_device_lost) options_.on_device_lost();
                                       }};
  scheduler_ = std::make_unique<Scheduler>(engine_.get(), scheduling);
  constexpr size_t kThreads = 2;
  // A few of the largest requests, or very many small ones.
  constexpr int64_t kMessages = 8;
  executor_ = std::make_unique<Executor>(kThreads, kMessages * options_.max_message_bytes);
  explanations_ = std::make_unique<Executor>(1, 2 * int64_t{options_.max_message_bytes});
  // Nothing that waits there counts: the tables are in a budget of their own.
  summaries_ = std::make_unique<Executor>(1, 0);
  stall_guard_ = std::make_unique<StallGuard>(options_.max_write_stall);
  if (options_.means != nullptr) means_ = std::make_unique<TenantMeans>(options_.means);
  const bool keeps_jobs = options_.jobs != nullptr;
  if (keeps_jobs) {
    job_runner_ =
        std::make_unique<JobRunner>(options_.jobs.get(), &job_hub_, options_.job_retention, options_.job_engine_pause);
  }
  service_.SetBackend({.engine = engine_.get(),
                       .scheduler = scheduler_.get(),
                       .executor = executor_.get(),
                       .explanations = explanations_.get(),
                       .summaries = summaries_.get(),
                       .stall_guard = stall_guard_.get(),
                       .means = means_.get(),
                       .jobs = options_.jobs.get(),
                       .job_hub = keeps_jobs ? &job_hub_ : nullptr,
                       .job_runner = job_runner_.get(),
                       .why_no_jobs = options_.why_no_jobs,
                       .max_open_jobs = options_.max_open_jobs,
                       .model_name = options_.model_name,
                       .numeric_floor = std::move(numeric_floor),
                       .limits = options_.limits,
                       .job_limits = options_.job_limits,
                       .max_stream_bytes = options_.max_stream_bytes,
                       .max_write_stall = options_.max_write_stall,
                       .deltas = std::make_shared<Budget>("values for their summaries", options_.max_delta_values)});
  if (job_runner_ != nullptr) job_runner_->Start(&service_.backend());
  gate_.Open();
  health_.SetServing(true);
}

int64_t Server::Drain(absl::Duration timeout) {
  if (std::exchange(drained_, true)) return 0;
  const absl::Time deadline = absl::Now() + timeout;
  health_.SetServing(false);
  gate_.Close();
  // What a job has not done yet waits for the next server; its streams end now, to be gone on with there.
  job_hub_.Close();
  if (job_runner_ != nullptr) job_runner_->Stop();
  const int64_t cut_off = gate_.WaitUntilEmpty(deadline);
  if (scheduler_ != nullptr) scheduler_->Close();
  health_.Shutdown();
  if (grpc_ != nullptr) {
    // What has ended may still be on its way out; a reader that takes nothing is cancelled.
    constexpr absl::Duration kGrace = absl::Milliseconds(500);
    grpc_->Shutdown(absl::ToChronoTime(absl::Now() + kGrace));
    grpc_->Wait();
  }
  gate_.WaitUntilEmpty(absl::InfiniteFuture());
  stall_guard_.reset();
  summaries_.reset();
  explanations_.reset();
  executor_.reset();
  job_runner_.reset();
  scheduler_.reset();
  return cut_off;
}

}  // namespace ablate
