// One job on its way through the engine, from where it is to its end.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/backend.h"
#include "server/budget.h"
#include "server/jobs/job_hub.h"
#include "server/jobs/job_sink.h"
#include "server/jobs/job_store.h"
#include "server/prepare.h"
#include "server/selection.h"

namespace ablate {

struct JobRunOptions {
  // Asked from any thread: the job was cancelled or deleted, or the server stops.
  std::function<bool()> stopped;
  // Told what was stored, and how long it took since the last time.
  std::function<void(int64_t cost, absl::Duration took)> measured;
  // The disk is full: deletes what is due to go.
  std::function<void()> make_room;
  // The engine fails again and again: find out with which prompts.
  bool in_halves = false;
};

// Whether an error came from the engine, which may do better another time.
bool IsEngineError(const absl::Status& status);

// For one thread. Everything that it did is in the store: another one goes on from there.
class JobRun {
 public:
  // All are borrowed.
  JobRun(const StoredJob& job, JobStore* store, JobHub* hub, const Backend* backend, JobRunOptions options);

  // OK where the job has ended in the store, as a success or in parts. Cancelled where it was stopped. Anything else is
  // why it failed.
  absl::Status Run();
  // Behind an engine's error: no prompt of the job went through, not even alone.
  bool is_hopeless() const { return is_hopeless_; }
  // Ends the job in the store as failed; as Run.
  absl::Status Fail(const absl::Status& why);
  // Whether the engine runs anything at all.
  absl::Status Probe();

 private:
  using Store = std::function<absl::Status(const std::vector<PromptResults>&)>;

  absl::Status ReadRequest();
  absl::StatusOr<PreparedRequest> Prepare(absl::Span<const Site> order) const;
  // The `heads` sweep that orders the sites, where the sweep needs one.
  absl::Status Choose();
  absl::Status ReserveTable(const PreparedRequest& prepared);
  absl::Status AddHead();
  // Indices of prompts in the job that run together.
  using Part = std::vector<int32_t>;

  // Runs the prompts that are neither in `done` nor set aside: first the suspects, each alone.
  absl::Status RunPrompts(const std::shared_ptr<const PreparedRequest>& prepared, const std::vector<int32_t>& done,
                          const JobSinkOptions& sink, const Store& store);
  // Where the engine fails, what is left of a part runs again as two halves, down to single prompts. Sets one aside
  // with which the engine fails alone where another one has gone through behind it: without that, the engine's error.
  // `good`: those done before.
  absl::Status RunInHalves(const PreparedRequest& prepared, std::deque<Part> parts, std::vector<int32_t> good,
                           const JobSinkOptions& sink, const Store& store);
  absl::Status RunPart(const PreparedRequest& prepared, const Part& part, const JobSinkOptions& sink,
                       const Store& store);
  // An empty `store`: for nobody.
  absl::Status RunUnits(PreparedRequest prepared, const JobSinkOptions& options, const Store& store);
  absl::Status SetAside(std::vector<std::pair<int32_t, std::string>>& prompts);
  absl::Status Finish();
  absl::StatusOr<std::vector<std::string>> Statistics();
  // Tries until the disk takes it, or the run is stopped.
  absl::Status Persist(const std::function<absl::Status()>& write) const;
  JobSinkOptions SinkOptions() const;
  absl::Status GoOn() const;
  // Those that are set aside.
  static absl::flat_hash_set<int32_t> Skipped(const std::vector<Suspect>& suspects);

  const StoredJob job_;
  JobStore* const store_;
  JobHub* const hub_;
  const Backend* const backend_;
  const JobRunOptions options_;
  bool is_hopeless_ = false;

  ablation::v1::AblateRequest request_;
  // Of the sweep that chose sites, where one ran.
  std::optional<PromptSplit> split_;
  int64_t selection_cost_ = 0;
  ablation::v1::Selection selection_;
  std::unique_ptr<Budget::Lease> table_lease_;
  std::shared_ptr<const PreparedRequest> prepared_;
};

}  // namespace ablate
