// One ExportMeanLibrary call: the file piece by piece, each made when the transport takes it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ablation/v1/means.pb.h"
#include "grpcpp/server_context.h"
#include "server/backend.h"
#include "server/gate.h"
#include "server/means/mean_file.h"
#include "server/stall_guard.h"
#include "server/write_stream.h"

namespace ablate {

class ExportMeansStream final : public WriteStream<ablation::v1::ExportMeanLibraryResponse>,
                                public StallGuard::Watched {
 public:
  // Begins the call. `context` and `request` are gRPC's and stay valid until the call is over.
  static ExportMeansStream* Start(grpc::CallbackServerContext* context,
                                  const ablation::v1::ExportMeanLibraryRequest* request, const Backend* backend,
                                  Gate::Pass pass);

  ExportMeansStream(const Backend* backend, Gate::Pass pass)
      : backend_(backend), tenant_(pass.tenant()), pass_(std::move(pass)) {}

  void CancelIfStalled(absl::Time since) override;

 private:
  // In the executor.
  absl::Status Find(const ablation::v1::ExportMeanLibraryRequest& request);
  std::optional<ablation::v1::ExportMeanLibraryResponse> NextHead() override;
  void OnOver() override;

  const Backend* const backend_;
  const std::string tenant_;
  std::optional<Gate::Pass> pass_;
  // Absent where there is nothing to give.
  std::optional<MeanFile> file_;
  int64_t offset_ = 0;
};

}  // namespace ablate
