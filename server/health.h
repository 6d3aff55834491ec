// grpc.health.v1. gRPC's built-in service starts SERVING as soon as the port is open; this one starts NOT_SERVING.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace ablate {

// Knows the server as a whole (the empty name) and `ablation.v1.AblationService`; both have the same state.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  ~HealthService() override;

  // Watches at one time; a further one is refused, RESOURCE_EXHAUSTED. Nobody is asked who they are here.
  static constexpr size_t kMaxWatches = 1024;

  // Tells the watchers too.
  void SetServing(bool serving);
  // NOT_SERVING for good, and ends the watches: they would hold up the server's end.
  void Shutdown();

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context, const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  class Watcher;

  absl::Mutex mu_;
  bool serving_ ABSL_GUARDED_BY(mu_) = false;
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
  // Those whose call is over are swept when the next one comes.
  std::vector<std::weak_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ablate
