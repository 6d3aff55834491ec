// One SubmitJob call: gathers the parts, then checks and stores the job in the executor.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ablation/v1/jobs.pb.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/backend.h"
#include "server/budget.h"
#include "server/gate.h"
#include "server/stall_guard.h"

namespace ablate {

// Made with std::make_shared; holds itself until OnDone. One read is in flight, or one task in the executor, never both:
// whoever ends it finishes the call.
class SubmitJobUpload final : public grpc::ServerReadReactor<ablation::v1::SubmitJobRequest>,
                              public StallGuard::Watched,
                              public std::enable_shared_from_this<SubmitJobUpload> {
 public:
  // Begins the call. `context` and `response` are gRPC's and stay valid until the call is over; the budget outlives it.
  static SubmitJobUpload* Start(grpc::CallbackServerContext* context, ablation::v1::SubmitJobResponse* response,
                                std::string tenant, const Backend* backend, Budget* budget, Gate::Pass pass);

  SubmitJobUpload(ablation::v1::SubmitJobResponse* response, std::string tenant, const Backend* backend, Budget* budget,
                  Gate::Pass pass);

  // Ends the call where it has waited for the client's next message since before `since`.
  void CancelIfStalled(absl::Time since) override;

 private:
  void OnReadDone(bool ok) override;
  void OnCancel() override { gone_ = true; }
  void OnDone() override;

  void Read();
  absl::Status TakePart();
  absl::Status Submit();
  void End(const absl::Status& status);

  ablation::v1::SubmitJobResponse* const response_;
  const std::string tenant_;
  const Backend* const backend_;
  std::optional<Gate::Pass> pass_;
  Budget* const budget_;
  std::shared_ptr<SubmitJobUpload> self_;
  std::atomic<bool> gone_ = false;
  // Touched by the read or the task in flight only.
  ablation::v1::SubmitJobRequest part_;
  ablation::v1::SubmitJobRequest whole_;
  bool has_first_ = false;
  int64_t bytes_ = 0;
  std::vector<Budget::Lease> memory_;

  absl::Mutex mu_;
  // Null once the call is over.
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mu_) = nullptr;
  // Since when a read has been in flight; nullopt: none is.
  std::optional<absl::Time> reading_since_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ablate
