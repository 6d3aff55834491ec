// AblationService: lets calls in through the entrance and hands them on.
#pragma once

#include <memory>

#include "ablation/v1/service.grpc.pb.h"
#include "server/auth/entrance.h"
#include "server/backend.h"
#include "server/jobs/jobs_service.h"
#include "server/means/means_service.h"

namespace ablate {

class AblationServiceImpl final : public ablation::v1::AblationService::CallbackService {
 public:
  // `entrance` must outlive the service.
  explicit AblationServiceImpl(Entrance* entrance) : entrance_(entrance) {}

  // Before the gate opens, once.
  void SetBackend(Backend backend) { backend_ = std::move(backend); }
  const Backend& backend() const { return backend_; }

  grpc::ServerWriteReactor<ablation::v1::AblateResponse>* Ablate(grpc::CallbackServerContext* context,
                                                                 const ablation::v1::AblateRequest* request) override;
  grpc::ServerUnaryReactor* ExplainPlan(grpc::CallbackServerContext* context,
                                        const ablation::v1::ExplainPlanRequest* request,
                                        ablation::v1::ExplainPlanResponse* response) override;
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

  // Each is JobsService's.
  grpc::ServerReadReactor<ablation::v1::SubmitJobRequest>* SubmitJob(
      grpc::CallbackServerContext* context, ablation::v1::SubmitJobResponse* response) override {
    return jobs_.Submit(context, response);
  }
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const ablation::v1::GetJobRequest* request,
                                   ablation::v1::GetJobResponse* response) override {
    return jobs_.Get(context, request, response);
  }
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const ablation::v1::ListJobsRequest* request,
                                     ablation::v1::ListJobsResponse* response) override {
    return jobs_.List(context, request, response);
  }
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const ablation::v1::CancelJobRequest* request,
                                      ablation::v1::CancelJobResponse* response) override {
    return jobs_.Cancel(context, request, response);
  }
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext* context,
                                      const ablation::v1::DeleteJobRequest* request,
                                      ablation::v1::DeleteJobResponse* response) override {
    return jobs_.Delete(context, request, response);
  }
  grpc::ServerWriteReactor<ablation::v1::StreamJobResultsResponse>* StreamJobResults(
      grpc::CallbackServerContext* context, const ablation::v1::StreamJobResultsRequest* request) override {
    return jobs_.StreamResults(context, request);
  }

 private:
  Entrance* const entrance_;
  // Read only by who holds a pass.
  Backend backend_;
  MeansService means_{entrance_, &backend_};
  JobsService jobs_{entrance_, &backend_};
};

}  // namespace ablate
