// One ComputeMeans call: prepared in the executor, fed by the scheduler, finished and stored in the executor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ablation/v1/means.pb.h"
#include "absl/types/span.h"
#include "grpcpp/server_context.h"
#include "server/backend.h"
#include "server/budget.h"
#include "server/gate.h"
#include "server/means/mean_accumulator.h"
#include "server/means/means_request.h"
#include "server/request.h"
#include "server/stall_guard.h"
#include "server/write_stream.h"

namespace ablate {

class ComputeMeansStream final : public WriteStream<ablation::v1::ComputeMeansResponse>,
                                 public ResultSink,
                                 public StallGuard::Watched {
 public:
  // Begins the call. `context` and `request` are gRPC's and stay valid until the call is over; the budget outlives it.
  static ComputeMeansStream* Start(grpc::CallbackServerContext* context,
                                   const ablation::v1::ComputeMeansRequest* request, const Backend* backend,
                                   Budget* budget, Gate::Pass pass);

  ComputeMeansStream(const Backend* backend, Budget* budget, Gate::Pass pass)
      : backend_(backend), budget_(budget), tenant_(pass.tenant()), pass_(std::move(pass)) {}

  absl::Status TakeBlock(ReadoutBlock block, size_t unit) override;
  absl::Status EndPrompt(int32_t run, const EngineUse& so_far) override;
  void Complete(absl::Status status, const RequestTiming& timing) override;
  bool Abandoned() const override { return Gone(); }
  void CancelIfStalled(absl::Time since) override;
  int64_t waiting_bytes() const override { return buffered_bytes(); }
  int64_t max_waiting_bytes() const override { return backend_->max_stream_bytes; }

 private:
  // In the executor.
  absl::Status Admit(const ablation::v1::ComputeMeansRequest& request, absl::Time deadline);
  absl::Status Store();
  // In the device's thread. A run that is run again adds nothing.
  void Add(size_t run, absl::Span<const double> z);
  void PushLibrary(const ablation::v1::MeanLibrary& library);

  void OnProgress() override { backend_->scheduler->Wake(); }
  void OnOver() override;

  const Backend* const backend_;
  Budget* const budget_;
  const std::string tenant_;
  std::optional<Gate::Pass> pass_;
  // Of the sums' memory.
  std::optional<Budget::Lease> memory_;

  // Written before the request is submitted; then the device's thread's, and the executor's behind Complete.
  PreparedMeans means_;
  std::optional<MeanAccumulator> sums_;
  absl::Status error_;
  size_t next_run_ = 0;
  absl::Time told_ = absl::InfinitePast();
};

}  // namespace ablate
