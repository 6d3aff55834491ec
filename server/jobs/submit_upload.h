// One SubmitJob call: gathers the parts, then checks and stores the job.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ablation/v1/jobs.pb.h"
#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "server/backend.h"
#include "server/budget.h"
#include "server/gate.h"
#include "server/read_stream.h"

namespace ablate {

class SubmitJobUpload final : public ReadStream<ablation::v1::SubmitJobRequest> {
 public:
  // Begins the call. `context` and `response` are gRPC's and stay valid until the call is over; the budget outlives it.
  static SubmitJobUpload* Start(grpc::CallbackServerContext* context, ablation::v1::SubmitJobResponse* response,
                                std::string tenant, const Backend* backend, Budget* budget, Gate::Pass pass);

  SubmitJobUpload(ablation::v1::SubmitJobResponse* response, std::string tenant, const Backend* backend, Budget* budget,
                  Gate::Pass pass)
      : ReadStream(backend, std::move(pass)), response_(response), tenant_(std::move(tenant)), budget_(budget) {}

 private:
  absl::Status Take(ablation::v1::SubmitJobRequest& part) override;
  absl::Status Conclude() override;
  // INVALID_ARGUMENT where the parts are not all that there are.
  absl::Status CheckWhole() const;

  ablation::v1::SubmitJobResponse* const response_;
  const std::string tenant_;
  Budget* const budget_;
  // The first part, with the prompts of all.
  ablation::v1::SubmitJobRequest whole_;
  bool has_first_ = false, has_later_ = false;
  int64_t bytes_ = 0;
  std::vector<Budget::Lease> memory_;
};

}  // namespace ablate
