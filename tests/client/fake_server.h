// A server that says what a test wants it to say: the contract over a real unix socket, without an engine.
#pragma once

#include <grpcpp/server.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ablation/v1/service.grpc.pb.h"
#include "client/cpp/scan_manifest.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace ablate::testing {

using ServerWriter = grpc::ServerWriter<ablation::v1::AblateResponse>;
using JobResultsWriter = grpc::ServerWriter<ablation::v1::StreamJobResultsResponse>;

// What the server does. Set before it starts. By default a scan of the fixtures' model works and health is SERVING.
struct Script {
  std::function<grpc::Status(grpc::ServerContext*, const ablation::v1::AblateRequest&, ServerWriter*)> ablate;
  // By default UNIMPLEMENTED, as an older server's.
  std::function<grpc::Status(const ablation::v1::AblateRequest&, ablation::v1::ExplainPlanResponse*)> explain;
  std::function<grpc::Status(const ablation::v1::TokenizeRequest&, ablation::v1::TokenizeResponse*)> tokenize;
  std::function<grpc::health::v1::HealthCheckResponse::ServingStatus()> health;
  // Jobs: by default NOT_FOUND, and none. `parts` are all that came.
  std::function<grpc::Status(const std::vector<ablation::v1::SubmitJobRequest>& parts, ablation::v1::Job*)> submit_job;
  std::function<grpc::Status(const std::string& id, ablation::v1::Job*)> get_job, cancel_job;
  std::function<grpc::Status(const ablation::v1::ListJobsRequest&, ablation::v1::ListJobsResponse*)> list_jobs;
  std::function<grpc::Status(const std::string& id)> delete_job;
  std::function<grpc::Status(const ablation::v1::StreamJobResultsRequest&, JobResultsWriter*)> job_results;

  Script();
};

// The fixtures' manifest for a request's prompts, replacements, readout and swept positions.
client::ScanManifest ManifestOf(const ablation::v1::AblateRequest& request);
// Writes it, with its variants and prompts.
void SendManifest(const ablation::v1::AblateRequest& request, ServerWriter* writer);
// Writes a prompt's rows as two blocks, last row first, and what else was asked for.
void SendRows(const ablation::v1::AblateRequest& request, int prompt, ServerWriter* writer);
// Writes the summary, where one was asked for, and the completion.
void SendCompletion(const ablation::v1::AblateRequest& request, ServerWriter* writer);

// An INVALID_ARGUMENT with google.rpc details, as `ablated` sends them.
grpc::Status InvalidField(const std::string& field, const std::string& description);

class FakeServer {
 public:
  // `address` as for a gRPC server, e.g. `unix:/path`.
  FakeServer(const std::string& address, Script script);
  ~FakeServer();
  bool started() const { return server_ != nullptr; }

 private:
  class Ablation;
  class Health;
  const std::unique_ptr<Ablation> ablation_;
  const std::unique_ptr<Health> health_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace ablate::testing
