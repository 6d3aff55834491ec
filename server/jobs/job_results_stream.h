// One StreamJobResults call: reads the store as its client reads, and waits for what is to come.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ablation/v1/jobs.pb.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/server_context.h"
#include "server/backend.h"
#include "server/gate.h"
#include "server/jobs/job_hub.h"
#include "server/stall_guard.h"
#include "server/write_stream.h"

namespace ablate {

class JobResultsStream final : public WriteStream<ablation::v1::StreamJobResultsResponse>, public StallGuard::Watched {
 public:
  // Begins the call. `context` is gRPC's and stays valid until the call is over.
  static JobResultsStream* Start(grpc::CallbackServerContext* context,
                                 const ablation::v1::StreamJobResultsRequest* request, std::string tenant,
                                 const Backend* backend, Gate::Pass pass);

  JobResultsStream(const ablation::v1::StreamJobResultsRequest& request, std::string tenant, const Backend* backend,
                   Gate::Pass pass)
      : request_(request), tenant_(std::move(tenant)), backend_(backend), pass_(std::move(pass)) {}

  void CancelIfStalled(absl::Time since) override;

 private:
  // In the executor, never twice at once.
  absl::Status Open();
  void Fill();
  // One page; true where there may be more to read at once.
  absl::StatusOr<bool> FillPage();
  void Conclude(const absl::Status& status);

  // Has Fill run soon, and once more where it runs now.
  void Refill();
  void OnProgress() override;
  void OnOver() override;
  std::shared_ptr<JobResultsStream> Self() { return std::static_pointer_cast<JobResultsStream>(shared_from_this()); }

  const ablation::v1::StreamJobResultsRequest request_;
  const std::string tenant_;
  const Backend* const backend_;
  std::optional<Gate::Pass> pass_;
  int64_t number_ = 0;
  int64_t offset_ = 0;
  // Under `only_stored` where the results ended at first: a job that runs would be chased for as long as it does.
  int64_t end_ = std::numeric_limits<int64_t>::max();

  absl::Mutex fill_mu_;
  bool filling_ ABSL_GUARDED_BY(fill_mu_) = false;
  bool again_ ABSL_GUARDED_BY(fill_mu_) = false;
  // There is nothing more to fill in, or nobody to read it.
  bool over_ ABSL_GUARDED_BY(fill_mu_) = false;
  std::unique_ptr<JobHub::Watch> watch_ ABSL_GUARDED_BY(fill_mu_);
};

}  // namespace ablate
