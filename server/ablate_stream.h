// One Ablate call: prepared in the executor, fed by the scheduler, written by gRPC.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "ablation/v1/scan.pb.h"
#include "grpcpp/server_context.h"
#include "server/backend.h"
#include "server/gate.h"
#include "server/request.h"
#include "server/scan_head.h"
#include "server/stall_guard.h"
#include "server/write_stream.h"

namespace ablate {

class AblateStream final : public WriteStream<ablation::v1::AblateResponse>,
                           public ResultSink,
                           public StallGuard::Watched {
 public:
  // Begins the call. `context` and `request` are gRPC's and stay valid until the call is over.
  static AblateStream* Start(grpc::CallbackServerContext* context, const ablation::v1::AblateRequest* request,
                             const Backend* backend, Gate::Pass pass);

  AblateStream(const Backend* backend, Gate::Pass pass);

  absl::Status TakeBlock(ReadoutBlock block, int32_t prompt_index) override;
  void Complete(absl::Status status, const RequestTiming& timing) override;
  bool Abandoned() const override { return Gone(); }
  void CancelIfStalled(absl::Time since) override;
  int64_t waiting_bytes() const override { return buffered_bytes(); }
  int64_t max_waiting_bytes() const override { return backend_->max_stream_bytes; }

 private:
  // In the executor.
  void PrepareAndSubmit(const ablation::v1::AblateRequest& request, absl::Time deadline);
  absl::Status Admit(const ablation::v1::AblateRequest& request, absl::Time deadline);
  std::optional<ablation::v1::AblateResponse> NextHead() override {
    return head_.has_value() ? head_->Next() : std::nullopt;
  }
  void OnProgress() override { backend_->scheduler->Wake(); }
  void OnOver() override { pass_.reset(); }

  const Backend* const backend_;
  std::optional<Gate::Pass> pass_;
  const absl::Time arrival_;
  // Written before the request is submitted.
  int64_t prepare_ns_ = 0;
  int64_t total_rows_ = 0;
  // Absent where the request was refused: nothing is written then.
  std::optional<ScanHead> head_;
};

}  // namespace ablate
