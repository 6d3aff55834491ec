// One ImportMeanLibrary call: gathers the file, checks it in the executor, stores it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ablation/v1/means.pb.h"
#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "server/backend.h"
#include "server/budget.h"
#include "server/gate.h"
#include "server/read_stream.h"

namespace ablate {

class ImportMeansUpload final : public ReadStream<ablation::v1::ImportMeanLibraryRequest> {
 public:
  // Begins the call. `context` and `response` are gRPC's and stay valid until the call is over; the budget outlives it.
  static ImportMeansUpload* Start(grpc::CallbackServerContext* context,
                                  ablation::v1::ImportMeanLibraryResponse* response, const Backend* backend,
                                  Budget* budget, Gate::Pass pass);

  ImportMeansUpload(ablation::v1::ImportMeanLibraryResponse* response, std::string tenant, const Backend* backend,
                    Budget* budget, Gate::Pass pass)
      : ReadStream(backend, std::move(pass)), response_(response), tenant_(std::move(tenant)), budget_(budget) {}

 private:
  absl::Status Take(ablation::v1::ImportMeanLibraryRequest& message) override;
  absl::Status Conclude() override;

  ablation::v1::ImportMeanLibraryResponse* const response_;
  const std::string tenant_;
  Budget* const budget_;
  std::string file_;
  // Of its bytes.
  std::vector<Budget::Lease> memory_;
};

}  // namespace ablate
