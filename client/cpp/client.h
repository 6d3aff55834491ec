// The client library: one connection to an `ablated`.
//
//   auto client = Client::Connect("127.0.0.1:50051");
//   auto completion = (*client)->Scan(request, {.on_block = [](v1::RowBlock block) { ... }}, {});
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ablation/v1/service.grpc.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cpp/cancellation.h"
#include "client/cpp/connection.h"
#include "client/cpp/scan_manifest.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace ablate::client {

namespace v1 = ::ablation::v1;

struct CallOptions {
  // From the call's start to its last message; the server drops the work when it passes.
  absl::Duration timeout = absl::InfiniteDuration();
  // May be null; must outlive the call.
  Cancellation* cancellation = nullptr;
};

// Called in the thread that called Scan, in the stream's order. An error ends the scan, which returns it. Each may be
// left empty.
struct ScanHandlers {
  // Once, whole, before any block.
  std::function<absl::Status(ScanManifest manifest)> on_manifest = {};
  // A checked block: whole columns, finite numbers, rows that have not come before.
  std::function<absl::Status(v1::RowBlock block)> on_block = {};
  // Likewise, where the request asks for them, in any order among the blocks of rows.
  std::function<absl::Status(v1::LikelihoodBlock block)> on_likelihood = {};
  std::function<absl::Status(v1::CompensationBlock block)> on_compensation = {};
  // Behind the last row: the head once, then its blocks, in which NaN stands for a figure that cannot be had.
  std::function<absl::Status(v1::SummaryHead head)> on_summary_head = {};
  std::function<absl::Status(v1::SummaryBlock block)> on_summary = {};
};

struct JobNames {
  // For people.
  std::string display_name;
  // A UUID: a second call with it and the same request is answered with the job of the first. Empty: no such check.
  std::string request_id;
};

// Thread-safe. Errors are those of FromGrpc (errors.h): their message names the field at fault and the way out.
class Client {
 public:
  // `host:port`, `unix:/path`, or another gRPC target with a scheme (`ipv4:`, `ipv6:`, `dns:`). Checks the address's
  // form and returns at once: whether a server is there, the first call tells. Errors as MakeChannel's.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const std::string& address,
                                                         const ConnectOptions& options = {});

  // Blocks until the stream has ended. Success means that every row came, once. DataLoss: the stream ended early.
  absl::StatusOr<v1::Completion> Scan(const v1::AblateRequest& request, const ScanHandlers& handlers,
                                      const CallOptions& options);
  // What Scan would take, told without running it: also where it is more than one request may.
  absl::StatusOr<v1::ExplainPlanResponse> ExplainPlan(const v1::AblateRequest& request, const CallOptions& options);
  absl::StatusOr<v1::TokenizeResponse> Tokenize(const v1::TokenizeRequest& request, const CallOptions& options);
  absl::StatusOr<v1::DescribeModelResponse> Describe(const CallOptions& options);

  // Mean libraries. Blocks until the library is stored; `on_progress` (may be empty) is told how many prompts are done.
  absl::StatusOr<v1::MeanLibrary> ComputeMeans(const v1::ComputeMeansRequest& request,
                                               const std::function<void(int32_t prompts_done)>& on_progress,
                                               const CallOptions& options);
  // All of the server's model, by id, however many pages there are.
  absl::StatusOr<std::vector<v1::MeanLibrary>> ListMeanLibraries(const CallOptions& options);
  absl::Status DeleteMeanLibrary(const std::string& id, const CallOptions& options);
  // Hands a library's file on, piece by piece; an error of `on_data` ends the call, which returns it.
  absl::Status ExportMeanLibrary(const std::string& id,
                                 const std::function<absl::Status(absl::string_view data)>& on_data,
                                 const CallOptions& options);
  // The file's bytes come from `next`, at most 1 MiB at a time, nothing at the end; its error ends the call likewise.
  absl::StatusOr<v1::MeanLibrary> ImportMeanLibrary(const std::function<absl::StatusOr<std::string>()>& next,
                                                    const CallOptions& options);

  // Jobs (proto/ablation/v1/jobs.proto). The request travels in parts of about 1 MiB, and is accepted whole or not at
  // all.
  absl::StatusOr<v1::Job> SubmitJob(const v1::AblateRequest& request, const JobNames& names,
                                    const CallOptions& options);
  absl::StatusOr<v1::Job> GetJob(const std::string& id, const CallOptions& options);
  // The newest first, at most `limit`, however many pages there are; in one of `states`, or in any where it is empty.
  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::vector<v1::JobState>& states, int64_t limit,
                                                const CallOptions& options);
  absl::StatusOr<v1::Job> CancelJob(const std::string& id, const CallOptions& options);
  absl::Status DeleteJob(const std::string& id, const CallOptions& options);
  // The messages of one call, unchecked, until it ends; an error of `on_message` ends the call, which returns it. What
  // goes on where a call broke, and checks what comes, is ReadJobResults (job_results.h).
  absl::Status StreamJobResults(const v1::StreamJobResultsRequest& request,
                                const std::function<absl::Status(v1::StreamJobResultsResponse message)>& on_message,
                                const CallOptions& options);

  // The health of the whole server.
  absl::StatusOr<grpc::health::v1::HealthCheckResponse::ServingStatus> Health(const CallOptions& options);

  // Whether there is a connection, for which this waits so long at most. It is tried at once, whatever delay gRPC has
  // come to after the tries before.
  bool AwaitConnection(absl::Duration most);

  const std::string& address() const { return address_; }

 private:
  Client(std::string address, std::shared_ptr<grpc::Channel> channel);

  const std::string address_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::AblationService::Stub> ablation_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
};

}  // namespace ablate::client
