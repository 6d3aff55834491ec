// The calls about jobs: lets them in through the entrance and hands them on.
#pragma once

#include "ablation/v1/jobs.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/auth/entrance.h"
#include "server/backend.h"
#include "server/budget.h"

namespace ablate {

class JobsService {
 public:
  // Both are borrowed; the backend is read only by who holds a pass.
  JobsService(Entrance* entrance, const Backend* backend) : entrance_(entrance), backend_(backend) {}

  grpc::ServerReadReactor<ablation::v1::SubmitJobRequest>* Submit(grpc::CallbackServerContext* context,
                                                                  ablation::v1::SubmitJobResponse* response);
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const ablation::v1::GetJobRequest* request,
                                ablation::v1::GetJobResponse* response);
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context, const ablation::v1::ListJobsRequest* request,
                                 ablation::v1::ListJobsResponse* response);
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context, const ablation::v1::CancelJobRequest* request,
                                   ablation::v1::CancelJobResponse* response);
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context, const ablation::v1::DeleteJobRequest* request,
                                   ablation::v1::DeleteJobResponse* response);
  grpc::ServerWriteReactor<ablation::v1::StreamJobResultsResponse>* StreamResults(
      grpc::CallbackServerContext* context, const ablation::v1::StreamJobResultsRequest* request);

 private:
  Entrance* const entrance_;
  const Backend* const backend_;
  // Of the jobs that are being sent, all together.
  Budget uploads_{"bytes of jobs on their way", int64_t{1} << 30};
};

}  // namespace ablate
