// A server with a fake engine on a free port, and a channel to it.
#pragma once

#include <memory>
#include <string>

#include "ablation/v1/service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "server/server.h"
#include "tests/server/fake_engine.h"

namespace ablate {

class TestServer {
 public:
  // Loading, until Serve.
  explicit TestServer(ServerOptions options = {});

  // With max_packed_tokens P a batch may cost P (2 layers, half of the budget each).
  void Serve(int64_t max_packed_tokens = 1000);

  Server& server() { return *server_; }
  FakeDevice& device() { return *device_; }
  // A connection of its own.
  std::shared_ptr<grpc::Channel> NewChannel() const;
  ablation::v1::AblationService::Stub& stub() { return *stub_; }
  grpc::health::v1::Health::Stub& health() { return *health_; }

 private:
  std::shared_ptr<FakeDevice> device_ = std::make_shared<FakeDevice>();
  std::unique_ptr<Server> server_;
  std::unique_ptr<ablation::v1::AblationService::Stub> stub_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
};

// A status' details, each empty where it has none.
struct Details {
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad_request;
  google::rpc::RetryInfo retry;
  google::rpc::QuotaFailure quota;
  google::rpc::RequestInfo request;
};
Details DetailsOf(const grpc::Status& status);

}  // namespace ablate
