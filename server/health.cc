#include "server/health.h"

#include <string>
#include <utility>

#include "ablation/v1/service.grpc.pb.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/unary_call.h"
#include "server/write_stream.h"

namespace ablate {
namespace {

namespace pb = ::grpc::health::v1;

// As gRPC knows it: the contract's own name of the service.
std::string ServiceName() {
  return ablation::v1::AblationService::service_full_name();
}

bool Known(const std::string& service) {
  return service.empty() || service == ServiceName();
}

pb::HealthCheckResponse MakeResponse(bool serving) {
  pb::HealthCheckResponse response;
  response.set_status(serving ? pb::HealthCheckResponse::SERVING : pb::HealthCheckResponse::NOT_SERVING);
  return response;
}

// As the protocol has it: the watch stays open, in case the service comes.
pb::HealthCheckResponse UnknownService() {
  pb::HealthCheckResponse response;
  response.set_status(pb::HealthCheckResponse::SERVICE_UNKNOWN);
  return response;
}

absl::Status Full() {
  return RetryLater(absl::StatusCode::kResourceExhausted, "TOO_MANY_WATCHES", "too many watches of health are open",
                    absl::Seconds(1));
}

absl::Status ShuttingDown() {
  return RetryLater(absl::StatusCode::kUnavailable, "DRAINING", "draining: the server is about to stop",
                    absl::Seconds(1));
}

}  // namespace

class HealthService::Watcher final : public WriteStream<pb::HealthCheckResponse> {
 public:
  explicit Watcher(bool known) : known_(known) {}
  bool known() const { return known_; }

 private:
  const bool known_;
};

HealthService::~HealthService() = default;

// Pushing under the lock keeps the watchers' order of states; Push calls gRPC, which does not call back in the same
// thread.
void HealthService::SetServing(bool serving) {
  absl::MutexLock lock(&mu_);
  if (shut_down_ || serving == serving_) return;
  serving_ = serving;
  for (const auto& weak : watchers_) {
    const auto watcher = weak.lock();
    if (watcher != nullptr && watcher->known()) watcher->Push(MakeResponse(serving));
  }
}

void HealthService::Shutdown() {
  SetServing(false);
  std::vector<std::weak_ptr<Watcher>> watchers;
  {
    absl::MutexLock lock(&mu_);
    shut_down_ = true;
    watchers.swap(watchers_);
  }
  for (const auto& weak : watchers) {
    if (const auto watcher = weak.lock()) watcher->End(ShuttingDown());
  }
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const pb::HealthCheckRequest* request,
                                               pb::HealthCheckResponse* response) {
  auto* reactor = context->DefaultReactor();
  if (!Known(request->service())) {
    reactor->Finish(
        ToGrpcStatus(ErrorWithReason(absl::StatusCode::kNotFound, "UNKNOWN_SERVICE",
                                     absl::StrCat("unknown service, expected `", ServiceName(), "` or nothing"))));
    return reactor;
  }
  {
    absl::MutexLock lock(&mu_);
    *response = MakeResponse(serving_);
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<pb::HealthCheckResponse>* HealthService::Watch(grpc::CallbackServerContext* /*context*/,
                                                                        const pb::HealthCheckRequest* request) {
  auto watcher = std::make_shared<Watcher>(Known(request->service()));
  {
    absl::MutexLock lock(&mu_);
    std::erase_if(watchers_, [](const auto& weak) { return weak.expired(); });
    if (watchers_.size() >= kMaxWatches) return new Refused<grpc::ServerWriteReactor<pb::HealthCheckResponse>>(Full());
    watcher->Keep();
    watcher->Push(watcher->known() ? MakeResponse(serving_) : UnknownService());
    if (shut_down_) watcher->End(ShuttingDown());
    watchers_.push_back(watcher);
  }
  watcher->Release();
  return watcher.get();
}

}  // namespace ablate
