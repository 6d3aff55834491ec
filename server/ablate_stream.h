// One Ablate call: prepared in the executor, fed by the scheduler, summarised where asked, written by gRPC. Where the
// sweep needs an order of sites, the `heads` sweep that finds it runs first, as a request of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ablation/v1/scan.pb.h"
#include "grpcpp/server_context.h"
#include "server/backend.h"
#include "server/delta_table.h"
#include "server/gate.h"
#include "server/request.h"
#include "server/row_assembler.h"
#include "server/row_blocks.h"
#include "server/scan_head.h"
#include "server/selection.h"
#include "server/stall_guard.h"
#include "server/summary.h"
#include "server/write_stream.h"

namespace ablate {

class AblateStream final : public WriteStream<ablation::v1::AblateResponse>,
                           public ResultSink,
                           public StallGuard::Watched {
 public:
  // Begins the call. `context` and `request` are gRPC's and stay valid until the call is over.
  static AblateStream* Start(grpc::CallbackServerContext* context, const ablation::v1::AblateRequest* request,
                             const Backend* backend, Gate::Pass pass);

  AblateStream(const ablation::v1::AblateRequest* request, absl::Time deadline, const Backend* backend,
               Gate::Pass pass);

  absl::Status TakeBlock(ReadoutBlock block, size_t unit) override;
  absl::Status EndPrompt(int32_t prompt, const EngineUse& /*so_far*/) override { return assembler_->EndPrompt(prompt); }
  void Complete(absl::Status status, const RequestTiming& timing) override;
  bool Abandoned() const override { return Gone(); }
  void CancelIfStalled(absl::Time since) override;
  int64_t waiting_bytes() const override { return buffered_bytes(); }
  int64_t max_waiting_bytes() const override { return backend_->max_stream_bytes; }

 private:
  // In the executor; each of the two ends the call where it cannot go on.
  void Begin();
  void GoOnWith(absl::StatusOr<ablation::v1::Selection> selection, const RequestTiming& timing);
  void EndUnread(const absl::Status& status);

  absl::Status GoOn() const;
  absl::Status SubmitSelection();
  absl::Status Submit();
  absl::StatusOr<PreparedRequest> PrepareWith(absl::Span<const Site> order);
  absl::Status ReserveTable(const PreparedRequest& prepared);
  absl::Status ReserveDeltas(int64_t values);
  void BeginSummary(const std::shared_ptr<const PreparedRequest>& prepared);
  void PushSummary();
  void PushCompletion();
  std::shared_ptr<AblateStream> Self() { return std::static_pointer_cast<AblateStream>(shared_from_this()); }

  std::optional<ablation::v1::AblateResponse> NextHead() override {
    return head_.has_value() ? head_->Next() : std::nullopt;
  }
  // Of a completion: only when its turn comes is it known how long what stood before it took.
  void Amend(ablation::v1::AblateResponse& response, absl::Duration written_for) override;
  void OnProgress() override { backend_->scheduler->Wake(); }
  void OnOver() override { pass_.reset(); }

  // gRPC's: valid until Release, and for the head until that is over.
  const ablation::v1::AblateRequest* const request_;
  const absl::Time deadline_;
  const Backend* const backend_;
  const std::string tenant_;
  std::optional<Gate::Pass> pass_;
  const absl::Time arrival_;

  // What follows belongs to one thread at a time: the executor's until the request is submitted, the device's until it
  // is complete, and then that of the summaries.
  // Of the sweep that chose sites, where one ran.
  std::optional<PromptSplit> split_;
  std::optional<ablation::v1::Selection> selection_;
  int64_t selection_cost_ = 0;
  // Of both sweeps.
  RequestTiming timing_;
  int64_t prepare_ns_ = 0;
  int64_t total_rows_ = 0;
  RowFormat format_;
  std::optional<RowAssembler> assembler_;
  // Of both sweeps, taken before the first: until the call is over, and as long as deltas are kept.
  std::optional<Budget::Lease> table_lease_;
  std::optional<Budget::Lease> deltas_lease_;
  // Where a summary is asked for.
  std::optional<SummaryRequest> summary_;
  std::optional<DeltaTable> deltas_;
  // Absent where the request was refused: nothing is written then.
  std::optional<ScanHead> head_;
};

}  // namespace ablate
