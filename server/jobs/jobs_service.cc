#include "server/jobs/jobs_service.h"

#include <string>
#include <utility>

#include "server/jobs/job_results_stream.h"
#include "server/jobs/jobs_request.h"
#include "server/jobs/submit_upload.h"
#include "server/unary_call.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

template <typename Message>
int64_t BytesOf(const Message* message) {
  return static_cast<int64_t>(message->ByteSizeLong());
}

// Everybody is one tenant where nobody is asked who they are.
std::string TenantOf(const grpc::CallbackServerContext& /*context*/) {
  return "";
}

}  // namespace

grpc::ServerReadReactor<pb::SubmitJobRequest>* JobsService::Submit(grpc::CallbackServerContext* context,
                                                                   pb::SubmitJobResponse* response) {
  auto pass = gate_->Enter();
  if (!pass.ok()) return new Refused<grpc::ServerReadReactor<pb::SubmitJobRequest>>(pass.status());
  return SubmitJobUpload::Start(context, response, TenantOf(*context), backend_, &uploads_, *std::move(pass));
}

grpc::ServerUnaryReactor* JobsService::Get(grpc::CallbackServerContext* context, const pb::GetJobRequest* request,
                                           pb::GetJobResponse* response) {
  return AnswerInExecutor(
      *gate_, backend_->executor, context, BytesOf(request),
      [=, this, tenant = TenantOf(*context)] { return GetJob(*request, tenant, *backend_, *response); });
}

grpc::ServerUnaryReactor* JobsService::List(grpc::CallbackServerContext* context, const pb::ListJobsRequest* request,
                                            pb::ListJobsResponse* response) {
  return AnswerInExecutor(
      *gate_, backend_->executor, context, BytesOf(request),
      [=, this, tenant = TenantOf(*context)] { return ListJobs(*request, tenant, *backend_, *response); });
}

grpc::ServerUnaryReactor* JobsService::Cancel(grpc::CallbackServerContext* context, const pb::CancelJobRequest* request,
                                              pb::CancelJobResponse* response) {
  return AnswerInExecutor(
      *gate_, backend_->executor, context, BytesOf(request),
      [=, this, tenant = TenantOf(*context)] { return CancelJob(*request, tenant, *backend_, *response); });
}

grpc::ServerUnaryReactor* JobsService::Delete(grpc::CallbackServerContext* context, const pb::DeleteJobRequest* request,
                                              pb::DeleteJobResponse* /*response*/) {
  return AnswerInExecutor(*gate_, backend_->executor, context, BytesOf(request),
                          [=, this, tenant = TenantOf(*context)] { return DeleteJob(*request, tenant, *backend_); });
}

grpc::ServerWriteReactor<pb::StreamJobResultsResponse>* JobsService::StreamResults(
    grpc::CallbackServerContext* context, const pb::StreamJobResultsRequest* request) {
  auto pass = gate_->Enter();
  if (!pass.ok()) return new Refused<grpc::ServerWriteReactor<pb::StreamJobResultsResponse>>(pass.status());
  return JobResultsStream::Start(context, request, TenantOf(*context), backend_, *std::move(pass));
}

}  // namespace ablate
