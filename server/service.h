// AblationService: lets calls in through the gate and hands them on.
#pragma once

#include <memory>

#include "ablation/v1/service.grpc.pb.h"
#include "server/backend.h"
#include "server/gate.h"

namespace ablate {

class AblationServiceImpl final : public ablation::v1::AblationService::CallbackService {
 public:
  // `gate` must outlive the service.
  explicit AblationServiceImpl(Gate* gate) : gate_(gate) {}

  // Before the gate opens, once.
  void SetBackend(Backend backend) { backend_ = std::move(backend); }

  grpc::ServerWriteReactor<ablation::v1::AblateResponse>* Ablate(grpc::CallbackServerContext* context,
                                                                 const ablation::v1::AblateRequest* request) override;
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context, const ablation::v1::TokenizeRequest* request,
                                     ablation::v1::TokenizeResponse* response) override;
  grpc::ServerUnaryReactor* DescribeModel(grpc::CallbackServerContext* context,
                                          const ablation::v1::DescribeModelRequest* request,
                                          ablation::v1::DescribeModelResponse* response) override;

 private:
  Gate* const gate_;
  // Read only by who has passed the gate.
  Backend backend_;
};

}  // namespace ablate
