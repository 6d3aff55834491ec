#include "server/scheduler.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/device_lost.h"
#include "server/errors.h"
#include "server/signal_stack.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

void Finish(Request& request, const absl::Status& status) {
  request.sink->Complete(status, request.timing);
}

absl::Status EngineError(const absl::Status& status) {
  const std::string message = absl::StrCat("the engine failed: ", status.message());
  if (absl::IsResourceExhausted(status)) {
    return RetryLater(absl::StatusCode::kResourceExhausted, "OUT_OF_MEMORY", message, absl::Seconds(10));
  }
  return ErrorWithReason(absl::StatusCode::kInternal, "ENGINE_FAILED", message);
}

// That the engine owes.
int64_t RowsOf(const Scan& scan) {
  const size_t runs = scan.variants.size() + (scan.donor_token_ids.empty() ? 1 : 2);
  return static_cast<int64_t>(runs * scan.read_positions.size());
}

EngineUse UseOf(const RunStats& stats) {
  return {.plan_ns = stats.plan_ns,
          .forward_ns = stats.forward_ns,
          .readout_ns = stats.readout_ns,
          .forward_passes = stats.forward_passes,
          .peak_bytes = stats.peak_bytes};
}

// In the words that were found when they were taken out of the queue.
void FinishAll(const std::vector<EndedRequest>& ended) {
  for (const EndedRequest& e : ended) Finish(*e.request, e.why);
}

}  // namespace

Scheduler::Scheduler(Engine* engine, const SchedulerOptions& options)
    : engine_(engine),
      batch_window_(options.batch_window),
      on_device_lost_(options.on_device_lost),
      batches_before_background_(options.queue.batches_before_background),
      batch_cost_(options.queue.batch_cost),
      queue_(options.queue) {
  thread_ = std::thread([this] { Loop(); });
}

Scheduler::~Scheduler() {
  Close();
  thread_.join();
}

absl::Status Scheduler::Submit(std::shared_ptr<Request> request) {
  std::vector<EndedRequest> ended;
  const absl::Status status = Admit(std::move(request), ended);
  FinishAll(ended);
  return status;
}

absl::Status Scheduler::Admit(std::shared_ptr<Request> request, std::vector<EndedRequest>& ended) {
  absl::MutexLock lock(&mu_);
  if (closed_) {
    return RetryLater(absl::StatusCode::kUnavailable, "DRAINING", "draining: the server is about to stop",
                      absl::Seconds(1));
  }
  absl::Status room = queue_.CheckRoom(*request);
  if (!room.ok()) {
    // The device thread clears them out too, but only between two runs.
    ended = queue_.TakeEndedUntouched(closed_);
    room = queue_.CheckRoom(*request);
  }
  if (room.ok()) queue_.Put(std::move(request));
  return room;
}

// Conditions are evaluated again whenever the mutex is released.
void Scheduler::Wake() {
  absl::MutexLock lock(&mu_);
}

void Scheduler::Close() {
  absl::MutexLock lock(&mu_);
  closed_ = true;
}

SchedulerLoad Scheduler::load() const {
  absl::MutexLock lock(&mu_);
  return {.cost_per_second = queue_.cost_per_second(), .waiting = queue_.WaitingTime()};
}

void Scheduler::Loop() {
  const SignalStack stack;
  bool device_was_busy = false;
  while (true) {
    std::vector<EndedRequest> ended;
    std::vector<TakenUnit> batch;
    const bool open = Next(device_was_busy, ended, batch);
    FinishAll(ended);
    if (!batch.empty()) Run(batch);
    device_was_busy = !batch.empty();
    if (!open) return;
  }
}

bool Scheduler::Next(bool device_was_busy, std::vector<EndedRequest>& ended, std::vector<TakenUnit>& batch) {
  absl::MutexLock lock(&mu_);
  if (device_was_busy && queue_.HasReady()) {
    mu_.AwaitWithTimeout(absl::Condition(this, &Scheduler::HasFullBatch), batch_window_);
  }
  mu_.AwaitWithDeadline(absl::Condition(this, &Scheduler::HasWork), queue_.NextDeadline());
  ended = queue_.TakeEnded(closed_);
  batch = queue_.TakeBatch();
  return !closed_ || !queue_.empty();
}

void Scheduler::Run(const std::vector<TakenUnit>& batch) {
  const absl::Time begin = absl::Now();
  const absl::Duration let_through_before = let_through_;
  for (const TakenUnit& taken : batch) {
    if (taken.unit == 0) taken.request->timing.taken_up = begin;
    taken.request->rows_in_run = 0;
  }
  const absl::Status status = RunOnce(batch);
  if (!status.ok()) RunEachAlone(batch, status);
  {
    absl::MutexLock lock(&mu_);
    queue_.BatchIsDone(absl::Now() - begin - (let_through_ - let_through_before));
  }
  EndPrompts(batch);
  FinishRequests(batch);
}

absl::Status Scheduler::RunOnce(const std::vector<TakenUnit>& batch) {
  std::vector<Scan> scans;
  scans.reserve(batch.size());
  for (const TakenUnit& taken : batch) {
    scans.push_back(taken.request->prepared->MakeScan(taken.unit));
    if (taken.request->amend) taken.request->amend(scans.back(), taken.unit);
    scans.back().cancelled = [this, request = taken.request.get()] { return !Verdict(*request, closed_).ok(); };
  }
  if (batch.front().request->is_background) {
    scans.front().others_wait = [this] {
      absl::MutexLock lock(&mu_);
      return queue_.HasForeground();
    };
    scans.front().between_chunks = [this, &batch] { LetOthersThrough(batch); };
  }
  const absl::Time begin = absl::Now();
  const absl::Duration let_through_before = let_through_;
  const auto stats = engine_->Run(scans, [&batch](ReadoutBlock block) {
    if (block.scan < 0 || static_cast<size_t>(block.scan) >= batch.size()) {
      return absl::InternalError(absl::StrCat("the engine named scan ", block.scan, " of ", batch.size()));
    }
    const TakenUnit& taken = batch[static_cast<size_t>(block.scan)];
    Request& request = *taken.request;
    if (!request.error.ok()) return absl::OkStatus();
    const auto rows = static_cast<int64_t>(block.variant.size());
    request.rows_done += rows;
    request.rows_in_run += rows;
    request.error = request.sink->TakeBlock(std::move(block), taken.unit);
    return absl::OkStatus();
  });
  // Of a run that failed no more is known than how long it took, others between its chunks aside.
  const absl::Duration took = absl::Now() - begin - (let_through_ - let_through_before);
  const EngineUse use = stats.ok() ? UseOf(*stats) : EngineUse{.forward_ns = absl::ToInt64Nanoseconds(took)};
  absl::flat_hash_set<Request*> seen;
  for (size_t i = 0; i < batch.size(); ++i) {
    const TakenUnit& taken = batch[i];
    if (stats.ok()) taken.request->rows_expected += RowsOf(scans[i]);
    if (seen.insert(taken.request.get()).second) taken.request->timing.use.Add(use);
  }
  return stats.status();
}

void Scheduler::LetOthersThrough(const std::vector<TakenUnit>& background) noexcept {
  absl::flat_hash_set<ResultSink*> sinks;
  const absl::Time begin = absl::Now();
  // A background batch is of one job. Where that must not go on, somebody waits for the device to let go of it.
  for (int32_t i = 0; i < batches_before_background_ && Verdict(*background.front().request, closed_).ok(); ++i) {
    std::vector<EndedRequest> ended;
    std::vector<TakenUnit> batch;
    {
      absl::MutexLock lock(&mu_);
      batch = queue_.TakeBetween(closed_, ended);
    }
    FinishAll(ended);
    if (batch.empty()) break;
    for (const TakenUnit& taken : background) {
      if (sinks.insert(taken.request->sink.get()).second) taken.request->sink->Suspend();
    }
    Run(batch);
  }
  for (ResultSink* sink : sinks) sink->Resume();
  let_through_ += absl::Now() - begin;
}

// Nothing runs here any more. What waits, and a batch that let this one through, are failed as in a drain.
void Scheduler::LoseDevice(absl::Span<Request* const> ran, const absl::Status& lost) {
  if (std::exchange(device_lost_, true)) return;
  closed_ = true;
  for (Request* request : ran) {
    request->sink->LoseDevice();
    if (!request->error.ok()) continue;
    request->error = RetryLater(absl::StatusCode::kUnavailable, "DEVICE_LOST",
                                absl::StrCat("the server stops: ", lost.message()), absl::Seconds(10));
  }
  spdlog::critical("{}", std::string(lost.message()));
  if (on_device_lost_) on_device_lost_();
}

// One request must not fail its neighbours: those that have got no row of the failed run are run again on their own.
void Scheduler::RunEachAlone(const std::vector<TakenUnit>& batch, const absl::Status& error) {
  std::vector<Request*> order;
  absl::flat_hash_map<Request*, std::vector<TakenUnit>> parts;
  for (const TakenUnit& taken : batch) {
    auto& part = parts[taken.request.get()];
    if (part.empty()) order.push_back(taken.request.get());
    part.push_back(taken);
  }
  if (IsDeviceLost(error)) return LoseDevice(order, error);
  for (Request* request : order) {
    absl::Status status = error;
    if (parts.size() > 1 && request->rows_in_run == 0 && Verdict(*request, closed_).ok())
      status = RunOnce(parts[request]);
    if (status.ok()) continue;
    if (IsDeviceLost(status)) return LoseDevice({&request, 1}, status);
    spdlog::error("the engine failed: {}", std::string(status.message()));
    if (request->error.ok()) {
      request->error = EngineError(status);
    }
  }
}

// Where a request has been cancelled rows are missing: it is over anyhow.
void Scheduler::EndPrompts(const std::vector<TakenUnit>& batch) {
  for (size_t i = 0; i < batch.size(); ++i) {
    Request& request = *batch[i].request;
    const int32_t prompt = request.prepared->units[batch[i].unit].prompt;
    const bool is_last = i + 1 == batch.size() || batch[i + 1].request != batch[i].request ||
                         request.prepared->units[batch[i + 1].unit].prompt != prompt;
    if (!is_last || !request.error.ok() || request.rows_done != request.rows_expected) continue;
    request.error = request.sink->EndPrompt(prompt, request.timing.use);
  }
}

void Scheduler::FinishRequests(const std::vector<TakenUnit>& batch) {
  absl::flat_hash_set<Request*> seen;
  for (const TakenUnit& taken : batch) {
    Request& request = *taken.request;
    // Those with prompts left stand in the queue, where TakeEnded finds the failed ones.
    if (!seen.insert(&request).second || !AllTaken(request)) continue;
    if (request.error.ok() && request.rows_done == request.rows_expected) {
      Finish(request, absl::OkStatus());
      continue;
    }
    absl::Status status = Verdict(request, closed_);
    if (status.ok()) {
      status = ErrorWithReason(
          absl::StatusCode::kInternal, "ROWS_MISSING",
          absl::StrCat("the engine gave ", request.rows_done, " rows, expected ", request.rows_expected));
    }
    Finish(request, status);
  }
}

}  // namespace ablate
