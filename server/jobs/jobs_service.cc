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

}  // namespace

grpc::ServerReadReactor<pb::SubmitJobRequest>* JobsService::Submit(grpc::CallbackServerContext* context,
                                                                   pb::SubmitJobResponse* response) {
  auto pass = entrance_->Enter(*context, Scope::kJob);
  if (!pass.ok()) return new Refused<grpc::ServerReadReactor<pb::SubmitJobRequest>>(pass.status());
  // Taken before the pass is handed on: the order of a call's arguments is nobody's promise.
  std::string tenant = pass->tenant();
  return SubmitJobUpload::Start(context, response, std::move(tenant), backend_, &uploads_, *std::move(pass));
}

grpc::ServerUnaryReactor* JobsService::Get(grpc::CallbackServerContext* context, const pb::GetJobRequest* request,
                                           pb::GetJobResponse* response) {
  return AnswerInExecutor(
      *entrance_, Scope::kJob, backend_->executor, context, BytesOf(request),
      [=, this](const std::string& tenant) { return GetJob(*request, tenant, *backend_, *response); });
}

grpc::ServerUnaryReactor* JobsService::List(grpc::CallbackServerContext* context, const pb::ListJobsRequest* request,
                                            pb::ListJobsResponse* response) {
  return AnswerInExecutor(
      *entrance_, Scope::kJob, backend_->executor, context, BytesOf(request),
      [=, this](const std::string& tenant) { return ListJobs(*request, tenant, *backend_, *response); });
}

grpc::ServerUnaryReactor* JobsService::Cancel(grpc::CallbackServerContext* context, const pb::CancelJobRequest* request,
                                              pb::CancelJobResponse* response) {
  return AnswerInExecutor(
      *entrance_, Scope::kJob, backend_->executor, context, BytesOf(request),
      [=, this](const std::string& tenant) { return CancelJob(*request, tenant, *backend_, *response); });
}

grpc::ServerUnaryReactor* JobsService::Delete(grpc::CallbackServerContext* context, const pb::DeleteJobRequest* request,
                                              pb::DeleteJobResponse* /*response*/) {
  return AnswerInExecutor(*entrance_, Scope::kJob, backend_->executor, context, BytesOf(request),
                          [=, this](const std::string& tenant) { return DeleteJob(*request, tenant, *backend_); });
}

grpc::ServerWriteReactor<pb::StreamJobResultsResponse>* JobsService::StreamResults(
    grpc::CallbackServerContext* context, const pb::StreamJobResultsRequest* request) {
  auto pass = entrance_->Enter(*context, Scope::kJob);
  if (!pass.ok()) return new Refused<grpc::ServerWriteReactor<pb::StreamJobResultsResponse>>(pass.status());
  std::string tenant = pass->tenant();
  return JobResultsStream::Start(context, request, std::move(tenant), backend_, *std::move(pass));
}

}  // namespace ablate
