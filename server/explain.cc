#include "server/explain.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/numeric/int128.h"
#include "absl/time/time.h"
#include "engine/plan/work.h"
#include "server/errors.h"
#include "server/prepare_for.h"
#include "server/price.h"
#include "server/request_queue.h"
#include "server/selection.h"
#include "server/unknown_fields.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
// Planning takes a small part of what running does, but what has no limit may take hours.
constexpr int64_t kTimesMaxCost = 10;
// Of a data set of one length there are two or three; where lengths are mixed hardly two batches are alike.
constexpr size_t kMostKeptPlans = 256;

// Of a reader who keeps up.
class NoSink final : public ResultSink {
 public:
  explicit NoSink(int64_t max_waiting_bytes) : max_waiting_bytes_(max_waiting_bytes) {}

  absl::Status TakeBlock(ReadoutBlock /*block*/, size_t /*unit*/) override { return absl::OkStatus(); }
  absl::Status EndPrompt(int32_t /*prompt*/, const EngineUse& /*so_far*/) override { return absl::OkStatus(); }
  void Complete(absl::Status /*status*/, const RequestTiming& /*timing*/) override {}
  bool Abandoned() const override { return false; }
  int64_t waiting_bytes() const override { return 0; }
  int64_t max_waiting_bytes() const override { return max_waiting_bytes_; }

 private:
  const int64_t max_waiting_bytes_;
};

struct BatchPlan {
  PlanWork work;
  int64_t n_runs = 0;
  int64_t unshared_tokens = 0;
};

// (prompt, whether the contrast is appended, whether it is the corrupted run).
using UneditedRuns = absl::flat_hash_set<std::tuple<int32_t, bool, bool>>;

// Runs that no other unit of the prompt has. One pass a run would read the likelihood on the way, which is here a unit
// of its own, and both directions of a patch have the same two unedited runs.
int64_t NewRuns(const ScanUnit& unit, const Scan& scan, UneditedRuns& unedited) {
  if (unit.is_likelihood) return 0;
  auto n_runs = static_cast<int64_t>(scan.variants.size());
  n_runs += unedited.emplace(unit.prompt, unit.appends_contrast, unit.edits_corrupted).second ? 1 : 0;
  if (scan.donor_token_ids.empty()) return n_runs;
  return n_runs + (unedited.emplace(unit.prompt, unit.appends_contrast, !unit.edits_corrupted).second ? 1 : 0);
}

absl::StatusOr<BatchPlan> PlanOf(const std::vector<TakenUnit>& batch, const Engine& engine) {
  const EngineInfo& info = engine.Describe();
  BatchPlan plan;
  UneditedRuns unedited;
  std::vector<Scan> scans;
  scans.reserve(batch.size());
  for (const TakenUnit& taken : batch) {
    const PreparedRequest& prepared = *taken.request->prepared;
    scans.push_back(prepared.MakeScan(taken.unit));
    const int64_t n_runs = NewRuns(prepared.units[taken.unit], scans.back(), unedited);
    plan.n_runs += n_runs;
    plan.unshared_tokens += n_runs * static_cast<int64_t>(scans.back().token_ids.size()) * info.n_layers;
  }
  auto work = engine.Work(scans);
  if (!work.ok()) return work.status();
  plan.work = *std::move(work);
  return plan;
}

// The sweeps of a request, one after the other.
class Sweeps {
 public:
  Sweeps(const Backend& backend, const std::function<absl::Status()>& go_on)
      : backend_(backend), go_on_(go_on), work_(static_cast<size_t>(backend.engine->Describe().n_layers)) {}

  // `max_waiting_bytes`: of the sweep's sink.
  absl::Status Add(PreparedRequest prepared, int64_t max_waiting_bytes) {
    absl::flat_hash_map<std::vector<PlanKey>, BatchPlan> plans;
    RequestQueue queue({.batch_cost = backend_.scheduler->batch_cost()});
    const auto request = std::make_shared<Request>();
    request->prepared = std::make_shared<const PreparedRequest>(std::move(prepared));
    request->sink = std::make_shared<NoSink>(max_waiting_bytes);
    cost_ += request->prepared->cost;
    queue.Put(request);
    while (!queue.empty()) {
      if (absl::Status status = go_on_(); !status.ok()) return status;
      const std::vector<TakenUnit> batch = queue.TakeBatch();
      queue.ForgetBatch();
      std::vector<PlanKey> key;
      key.reserve(batch.size());
      for (const TakenUnit& taken : batch) {
        key.push_back(PlanKeyOf(*request->prepared, request->prepared->units[taken.unit]));
      }
      if (const auto known = plans.find(key); known != plans.end()) {
        AddBatch(known->second);
        continue;
      }
      auto plan = PlanOf(batch, *backend_.engine);
      if (!plan.ok()) return plan.status();
      AddBatch(*plan);
      if (plans.size() < kMostKeptPlans) plans.emplace(std::move(key), *std::move(plan));
    }
    return absl::OkStatus();
  }

  int64_t cost() const { return cost_; }
  void Fill(pb::ExplainPlanResponse& response) const;

 private:
  void AddBatch(const BatchPlan& plan);

  const Backend& backend_;
  const std::function<absl::Status()>& go_on_;
  PlanWork work_;
  int64_t n_runs_ = 0;
  int64_t unshared_tokens_ = 0;
  int64_t cost_ = 0;
};

void Sweeps::AddBatch(const BatchPlan& plan) {
  for (size_t l = 0; l < work_.size(); ++l) work_[l] += plan.work[l];
  n_runs_ += plan.n_runs;
  unshared_tokens_ += plan.unshared_tokens;
}

int64_t BytesMoved(const WorkFigures& figures, Precision precision) {
  const absl::int128 bytes = absl::int128(WeightBytes(precision)) * figures.weights_moved +
                             absl::int128(ActivationBytes(precision)) * figures.residuals_moved;
  return bytes > kMostCounted ? kMostCounted : static_cast<int64_t>(bytes);
}

void Sweeps::Fill(pb::ExplainPlanResponse& response) const {
  response.set_n_runs(n_runs_);
  // Every pass ends behind the last layer, wherever it begins.
  response.set_forward_passes(work_.back().passes);
  int64_t packed_tokens = 0;
  for (const LayerWork& from : work_) {
    pb::PlannedLayer& layer = *response.add_layers();
    layer.set_forward_passes(from.passes);
    layer.set_rows_in(from.rows_in);
    layer.set_rows_out(from.rows_out);
    layer.set_tokens_in(from.tokens_in);
    layer.set_tokens_out(from.tokens_out);
    packed_tokens += from.tokens_out;
  }
  response.set_packed_tokens(packed_tokens);
  response.set_unshared_packed_tokens(unshared_tokens_);
  response.set_cost(cost_);
  const EngineInfo& info = backend_.engine->Describe();
  const WorkFigures figures = FiguresOf(work_, {info.d_model, info.d_mlp, info.vocab_size});
  response.set_gemm_flops(figures.gemm_flops);
  response.set_attention_flops(figures.attention_flops);
  response.set_readout_flops(figures.readout_flops);
  response.set_bytes_moved(BytesMoved(figures, info.precision));
}

// Of the message around the scan's: those in it are named as the scan itself names them.
absl::Status RefuseUnknownAround(const pb::ExplainPlanRequest& request) {
  pb::ExplainPlanRequest around;
  around.GetReflection()->MutableUnknownFields(&around)->MergeFrom(request.GetReflection()->GetUnknownFields(request));
  return RefuseUnknownFields(around);
}

// Of both sweeps.
absl::Status CheckCost(const PreparedRequest& prepared, int64_t max_request_cost) {
  const int64_t limit = max_request_cost > kNoLimit / kTimesMaxCost ? kNoLimit : max_request_cost * kTimesMaxCost;
  const int64_t cost = prepared.cost + prepared.follow_up.cost;
  return cost > limit ? TooCostlyToPlan(cost, limit) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<pb::ExplainPlanResponse> ExplainPlan(const std::string& tenant, const pb::ExplainPlanRequest& request,
                                                    const Backend& backend,
                                                    const std::function<absl::Status()>& go_on) {
  if (absl::Status status = RefuseUnknownAround(request); !status.ok()) return status;
  const pb::AblateRequest& scan = request.request();
  const RequestLimits limits = {.cost = kNoLimit, .tokens = backend.limits.tokens};
  Sweeps sweeps(backend, go_on);
  auto prepared = PrepareFor(tenant, scan, limits, backend, go_on);
  if (!prepared.ok()) return prepared.status();
  if (absl::Status status = CheckCost(*prepared, backend.limits.cost); !status.ok()) return status;
  // A second sweep puts in what the first one did, when that is gone.
  std::optional<Budget::Lease> table_lease;
  if (prepared->table != nullptr) {
    auto lease = backend.tables->Take(static_cast<int64_t>(prepared->table->values.size()));
    if (!lease.ok()) return lease.status();
    table_lease.emplace(*std::move(lease));
  }
  if (NeedsOrder(scan)) {
    const std::vector<Site> order = DearestOrder(scan, *prepared);
    const auto split = SplitFor(scan.summary(), prepared->prompts);
    if (!split.ok()) return split.status();
    KeepForSelection(split->chooses, *prepared);
    // Nobody reads the choosing sweep's rows.
    if (absl::Status status = sweeps.Add(*std::move(prepared), kNoLimit); !status.ok()) return status;
    prepared = PrepareFor(tenant, scan, limits, backend, go_on, order);
    if (!prepared.ok()) return prepared.status();
  }
  pb::ExplainPlanResponse response;
  response.set_n_prompts(static_cast<int32_t>(prepared->prompts.size()));
  response.set_total_rows(prepared->total_rows());
  if (absl::Status status = sweeps.Add(*std::move(prepared), backend.max_stream_bytes); !status.ok()) return status;
  sweeps.Fill(response);
  response.set_max_cost(backend.limits.cost);
  const SchedulerLoad load = backend.scheduler->load();
  if (load.cost_per_second > 0) {
    const double seconds = static_cast<double>(sweeps.cost()) / load.cost_per_second;
    response.set_predicted_ns(absl::ToInt64Nanoseconds(absl::Seconds(seconds)));
  }
  response.set_waiting_ns(absl::ToInt64Nanoseconds(load.waiting));
  return response;
}

}  // namespace ablate
