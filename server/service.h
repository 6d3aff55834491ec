// AblationService: lets calls in through the gate and hands them on.
#pragma once

#include <memory>

#include "ablation/v1/service.grpc.pb.h"
#include "server/backend.h"
#include "server/gate.h"
#include "server/means/means_service.h"

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

  // Each is MeansService's.
  grpc::ServerWriteReactor<ablation::v1::ComputeMeansResponse>* ComputeMeans(
      grpc::CallbackServerContext* context, const ablation::v1::ComputeMeansRequest* request) override {
    return means_.Compute(context, request);
  }
  grpc::ServerUnaryReactor* ListMeanLibraries(grpc::CallbackServerContext* context,
                                              const ablation::v1::ListMeanLibrariesRequest* request,
                                              ablation::v1::ListMeanLibrariesResponse* response) override {
    return means_.List(context, request, response);
  }
  grpc::ServerUnaryReactor* DeleteMeanLibrary(grpc::CallbackServerContext* context,
                                              const ablation::v1::DeleteMeanLibraryRequest* request,
                                              ablation::v1::DeleteMeanLibraryResponse* response) override {
    return means_.Delete(context, request, response);
  }
  grpc::ServerWriteReactor<ablation::v1::ExportMeanLibraryResponse>* ExportMeanLibrary(
      grpc::CallbackServerContext* context, const ablation::v1::ExportMeanLibraryRequest* request) override {
    return means_.Export(context, request);
  }
  grpc::ServerReadReactor<ablation::v1::ImportMeanLibraryRequest>* ImportMeanLibrary(
      grpc::CallbackServerContext* context, ablation::v1::ImportMeanLibraryResponse* response) override {
    return means_.Import(context, response);
  }

 private:
  Gate* const gate_;
  // Read only by who has passed the gate.
  Backend backend_;
  MeansService means_{gate_, &backend_};
};

}  // namespace ablate
