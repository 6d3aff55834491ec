#include "tests/client/fake_server.h"

#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/client/fixtures.h"

namespace ablate::testing {

using ablation::v1::AblateRequest;
using ablation::v1::AblateResponse;
using grpc::health::v1::HealthCheckResponse;

client::ScanManifest ManifestOf(const AblateRequest& request) {
  client::ScanManifest manifest = MakeManifest(request.prompts_size());
  if (!request.replacements().empty()) *manifest.head.mutable_replacements() = request.replacements();
  *manifest.head.mutable_readout() = request.readout();
  for (int p = 0; p < request.prompts_size(); ++p) {
    if (request.prompts(p).targets().empty()) DropTarget(&manifest.prompts[p]);
  }
  if (request.edit_positions().each()) SweepPositions(&manifest);
  Recount(&manifest);
  return manifest;
}

void SendManifest(const AblateRequest& request, ServerWriter* writer) {
  for (const AblateResponse& message : HeadMessages(ManifestOf(request))) writer->Write(message);
}

void SendRows(const AblateRequest& request, int prompt, ServerWriter* writer) {
  const bool has_target = !request.prompts(prompt).targets().empty();
  const client::ScanManifest manifest = ManifestOf(request);
  auto rows = RowsOf(manifest, prompt);
  std::reverse(rows.begin(), rows.end());
  const auto middle = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2);
  for (const auto& part : {std::vector<RowId>(rows.begin(), middle), std::vector<RowId>(middle, rows.end())}) {
    AblateResponse response;
    *response.mutable_row_block() = MakeBlock(manifest, part, request.readout().top_k(), has_target);
    writer->Write(response);
  }
  AblateResponse response;
  if (request.readout().likelihood()) {
    *response.mutable_likelihood_block() = MakeLikelihood(manifest, prompt);
    writer->Write(response);
  }
  if (request.readout().compensation()) {
    *response.mutable_compensation_block() = MakeCompensation(manifest, prompt);
    writer->Write(response);
  }
}

void SendCompletion(const AblateRequest& request, ServerWriter* writer) {
  const client::ScanManifest manifest = ManifestOf(request);
  AblateResponse response;
  if (request.has_summary()) {
    *response.mutable_summary_head() = MakeSummaryHead(manifest);
    writer->Write(response);
    *response.mutable_summary_block() = MakeSummary(manifest);
    writer->Write(response);
  }
  response.mutable_completion()->set_rows(manifest.head.total_rows());
  writer->Write(response);
}

grpc::Status InvalidField(const std::string& field, const std::string& description) {
  google::rpc::BadRequest bad;
  bad.add_field_violations()->set_field(field);
  bad.mutable_field_violations(0)->set_description(description);
  google::rpc::Status status;
  status.add_details()->PackFrom(bad);
  return {grpc::INVALID_ARGUMENT, field + ": " + description, status.SerializeAsString()};
}

namespace {

grpc::Status NoSuchJob() {
  google::rpc::ErrorInfo info;
  info.set_reason("JOB_NOT_FOUND");
  google::rpc::Status status;
  status.add_details()->PackFrom(info);
  return {grpc::NOT_FOUND, "no such job", status.SerializeAsString()};
}

}  // namespace

Script::Script()
    : ablate([](grpc::ServerContext*, const AblateRequest& request, ServerWriter* writer) {
        SendManifest(request, writer);
        // The last prompt first: order is the client's business.
        for (int p = request.prompts_size() - 1; p >= 0; --p) SendRows(request, p, writer);
        SendCompletion(request, writer);
        return grpc::Status::OK;
      }),
      explain([](const auto&, auto*) { return grpc::Status(grpc::UNIMPLEMENTED, ""); }),
      tokenize([](const ablation::v1::TokenizeRequest& request, ablation::v1::TokenizeResponse* response) {
        // A token a byte.
        for (const std::string& text : request.texts()) {
          auto* tokenization = response->add_texts();
          for (const char byte : text) {
            auto* token = tokenization->add_tokens();
            token->set_id(static_cast<unsigned char>(byte));
            token->set_raw(std::string(1, byte));
            token->set_text(byte < 0 ? "\xEF\xBF\xBD" : std::string(1, byte));
          }
        }
        return grpc::Status::OK;
      }),
      health([] { return HealthCheckResponse::SERVING; }),
      submit_job([](const auto&, ablation::v1::Job*) { return NoSuchJob(); }),
      get_job([](const std::string&, ablation::v1::Job*) { return NoSuchJob(); }),
      cancel_job(get_job),
      list_jobs([](const auto&, auto*) { return grpc::Status::OK; }),
      delete_job([](const std::string&) { return NoSuchJob(); }),
      job_results([](const auto&, auto*) { return NoSuchJob(); }) {}

class FakeServer::Ablation : public ablation::v1::AblationService::Service {
 public:
  explicit Ablation(Script script) : script_(std::move(script)) {}

  grpc::Status Ablate(grpc::ServerContext* context, const AblateRequest* request, ServerWriter* writer) override {
    return script_.ablate(context, *request, writer);
  }
  grpc::Status ExplainPlan(grpc::ServerContext*, const ablation::v1::ExplainPlanRequest* request,
                           ablation::v1::ExplainPlanResponse* response) override {
    return script_.explain(request->request(), response);
  }
  grpc::Status Tokenize(grpc::ServerContext*, const ablation::v1::TokenizeRequest* request,
                        ablation::v1::TokenizeResponse* response) override {
    return script_.tokenize(*request, response);
  }
  grpc::Status DescribeModel(grpc::ServerContext*, const ablation::v1::DescribeModelRequest*,
                             ablation::v1::DescribeModelResponse* response) override {
    const auto manifest = MakeManifest();
    *response->mutable_model() = manifest.head.model();
    *response->mutable_runtime() = manifest.head.runtime();
    response->mutable_runtime()->set_memory_budget_bytes(int64_t{3} << 29);
    return grpc::Status::OK;
  }
  grpc::Status SubmitJob(grpc::ServerContext*, grpc::ServerReader<ablation::v1::SubmitJobRequest>* reader,
                         ablation::v1::SubmitJobResponse* response) override {
    std::vector<ablation::v1::SubmitJobRequest> parts(1);
    while (reader->Read(&parts.back())) parts.emplace_back();
    parts.pop_back();
    return script_.submit_job(parts, response->mutable_job());
  }
  grpc::Status GetJob(grpc::ServerContext*, const ablation::v1::GetJobRequest* request,
                      ablation::v1::GetJobResponse* response) override {
    return script_.get_job(request->id(), response->mutable_job());
  }
  grpc::Status CancelJob(grpc::ServerContext*, const ablation::v1::CancelJobRequest* request,
                         ablation::v1::CancelJobResponse* response) override {
    return script_.cancel_job(request->id(), response->mutable_job());
  }
  grpc::Status ListJobs(grpc::ServerContext*, const ablation::v1::ListJobsRequest* request,
                        ablation::v1::ListJobsResponse* response) override {
    return script_.list_jobs(*request, response);
  }
  grpc::Status DeleteJob(grpc::ServerContext*, const ablation::v1::DeleteJobRequest* request,
                         ablation::v1::DeleteJobResponse*) override {
    return script_.delete_job(request->id());
  }
  grpc::Status StreamJobResults(grpc::ServerContext*, const ablation::v1::StreamJobResultsRequest* request,
                                JobResultsWriter* writer) override {
    return script_.job_results(*request, writer);
  }

 private:
  const Script script_;
};

class FakeServer::Health : public grpc::health::v1::Health::Service {
 public:
  explicit Health(Script script) : script_(std::move(script)) {}
  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest*,
                     HealthCheckResponse* response) override {
    response->set_status(script_.health());
    return grpc::Status::OK;
  }

 private:
  const Script script_;
};

FakeServer::FakeServer(const std::string& address, Script script)
    : ablation_(std::make_unique<Ablation>(script)), health_(std::make_unique<Health>(script)) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(ablation_.get());
  builder.RegisterService(health_.get());
  server_ = builder.BuildAndStart();
}

FakeServer::~FakeServer() {
  // Calls that a script holds open are cancelled.
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
}

}  // namespace ablate::testing
