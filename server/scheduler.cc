#include "server/scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/convert.h"
#include "server/errors.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

// Bytes of results that one prompt of a request produces.
int64_t PromptBytes(const Request& request) {
  return request.prepared->rows_per_prompt() * RowBytes(request.prepared->top_k);
}

// Whether one more prompt may run when results of `taken_bytes` are on their way in the batch being put together.
bool HasRoom(const Request& request, int64_t taken_bytes) {
  const int64_t waiting = request.sink->waiting_bytes() + taken_bytes;
  return waiting == 0 || waiting + PromptBytes(request) <= request.sink->max_waiting_bytes();
}

bool AllTaken(const Request& request) {
  return request.next_prompt == request.prepared->prompts.size();
}

int64_t NextCost(const Request& request) {
  return request.prepared->prompts[request.next_prompt].cost;
}

}  // namespace

Scheduler::Scheduler(Engine* engine, const SchedulerOptions& options) : engine_(engine), options_(options) {
  thread_ = std::thread([this] { Loop(); });
}

Scheduler::~Scheduler() {
  Close();
  thread_.join();
}

absl::Status Scheduler::Submit(std::shared_ptr<Request> request) {
  Requests ended;
  const absl::Status status = Admit(std::move(request), ended);
  for (const auto& gone : ended) Finish(*gone, Verdict(*gone));
  return status;
}

absl::Status Scheduler::Admit(std::shared_ptr<Request> request, Requests& ended) {
  absl::MutexLock lock(&mu_);
  if (closed_) {
    return RetryLater(absl::StatusCode::kUnavailable, "DRAINING", "draining: the server is about to stop",
                      absl::Seconds(1));
  }
  const auto capacity = static_cast<size_t>(options_.queue_size);
  // The device thread clears them out too, but only between two runs.
  if (queue_.size() >= capacity) ended = TakeEnded(/*untaken_only=*/true);
  if (queue_.size() >= capacity) {
    return RetryLater(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
                      absl::StrCat("the queue is full: ", queue_.size(), " requests are waiting (--queue-size)"),
                      RetryDelay());
  }
  waiting_cost_ += request->prepared->cost;
  queue_.push_back(std::move(request));
  return absl::OkStatus();
}

// Conditions are evaluated again whenever the mutex is released.
void Scheduler::Wake() {
  absl::MutexLock lock(&mu_);
}

void Scheduler::Close() {
  absl::MutexLock lock(&mu_);
  closed_ = true;
}

absl::Status Scheduler::Verdict(const Request& request) const {
  if (!request.error.ok()) return request.error;
  if (request.sink->Abandoned()) return absl::CancelledError("the client has left");
  if (request.deadline <= absl::Now()) return absl::DeadlineExceededError("the deadline passed before the end");
  if (closed_) {
    return RetryLater(absl::StatusCode::kUnavailable, "DRAINING", "the server stopped before the request was done",
                      absl::Seconds(1));
  }
  return absl::OkStatus();
}

bool Scheduler::HasReady() const {
  return std::any_of(queue_.begin(), queue_.end(), [](const auto& r) { return HasRoom(*r, 0); });
}

bool Scheduler::HasWork() const {
  return closed_ || HasReady() ||
         std::any_of(queue_.begin(), queue_.end(), [](const auto& r) { return r->sink->Abandoned(); });
}

bool Scheduler::HasFullBatch() const {
  return closed_ || waiting_cost_ >= options_.batch_cost;
}

absl::Time Scheduler::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& request : queue_) next = std::min(next, request->deadline);
  return next;
}

absl::Duration Scheduler::RetryDelay() const {
  if (cost_per_second_ <= 0) return absl::Seconds(1);
  const double seconds = static_cast<double>(waiting_cost_ + running_cost_) / cost_per_second_;
  return absl::Seconds(std::clamp(seconds, 0.1, 60.0));
}

void Scheduler::Loop() {
  bool device_was_busy = false;
  while (true) {
    Requests ended;
    std::vector<Taken> batch;
    const bool open = Next(device_was_busy, ended, batch);
    for (const auto& request : ended) Finish(*request, Verdict(*request));
    if (!batch.empty()) Run(batch);
    device_was_busy = !batch.empty();
    if (!open) return;
  }
}

bool Scheduler::Next(bool device_was_busy, Requests& ended, std::vector<Taken>& batch) {
  absl::MutexLock lock(&mu_);
  running_cost_ = 0;
  if (device_was_busy && HasReady()) {
    mu_.AwaitWithTimeout(absl::Condition(this, &Scheduler::HasFullBatch), options_.batch_window);
  }
  mu_.AwaitWithDeadline(absl::Condition(this, &Scheduler::HasWork), NextDeadline());
  ended = TakeEnded(/*untaken_only=*/false);
  batch = TakeBatch();
  return !closed_ || !queue_.empty();
}

Scheduler::Requests Scheduler::TakeEnded(bool untaken_only) {
  Requests ended;
  const auto go_on = [this, untaken_only](const auto& request) {
    return (untaken_only && request->next_prompt > 0) || Verdict(*request).ok();
  };
  const auto end = std::stable_partition(queue_.begin(), queue_.end(), go_on);
  ended.assign(end, queue_.end());
  queue_.erase(end, queue_.end());
  for (const auto& request : ended) {
    for (size_t i = request->next_prompt; i < request->prepared->prompts.size(); ++i) {
      waiting_cost_ -= request->prepared->prompts[i].cost;
    }
  }
  return ended;
}

std::vector<Scheduler::Taken> Scheduler::TakeBatch() {
  std::vector<Taken> batch;
  absl::flat_hash_map<const Request*, int64_t> bytes_of;
  size_t passed_over = 0;
  while (passed_over < queue_.size()) {
    std::shared_ptr<Request> request = queue_.front();
    int64_t& bytes = bytes_of[request.get()];
    const bool has_room = HasRoom(*request, bytes);
    if (has_room && !batch.empty() && running_cost_ + NextCost(*request) > options_.batch_cost) break;
    queue_.pop_front();
    if (!has_room) {
      queue_.push_back(std::move(request));
      ++passed_over;
      continue;
    }
    passed_over = 0;
    bytes += PromptBytes(*request);
    running_cost_ += NextCost(*request);
    waiting_cost_ -= NextCost(*request);
    batch.push_back({request, request->next_prompt++});
    if (!AllTaken(*request)) queue_.push_back(std::move(request));
  }
  return batch;
}

void Scheduler::Run(const std::vector<Taken>& batch) {
  const absl::Time begin = absl::Now();
  for (const Taken& taken : batch) {
    if (taken.prompt == 0) taken.request->timing.taken_up = begin;
    taken.request->rows_in_run = 0;
  }
  const absl::Status status = RunOnce(batch);
  if (!status.ok()) RunEachAlone(batch, status);
  {
    absl::MutexLock lock(&mu_);
    const double rate = static_cast<double>(running_cost_) / std::max(absl::ToDoubleSeconds(absl::Now() - begin), 1e-6);
    cost_per_second_ = cost_per_second_ == 0 ? rate : 0.8 * cost_per_second_ + 0.2 * rate;
  }
  FinishRequests(batch);
}

absl::Status Scheduler::RunOnce(const std::vector<Taken>& batch) {
  std::vector<Scan> scans;
  scans.reserve(batch.size());
  for (const Taken& taken : batch) {
    scans.push_back(taken.request->prepared->MakeScan(taken.prompt));
    scans.back().cancelled = [this, request = taken.request.get()] { return !Verdict(*request).ok(); };
  }
  const absl::Time begin = absl::Now();
  const auto stats = engine_->Run(scans, [&batch](ReadoutBlock block) {
    if (block.scan < 0 || static_cast<size_t>(block.scan) >= batch.size()) {
      return absl::InternalError(absl::StrCat("the engine named scan ", block.scan, " of ", batch.size()));
    }
    const Taken& taken = batch[static_cast<size_t>(block.scan)];
    Request& request = *taken.request;
    if (!request.error.ok()) return absl::OkStatus();
    const auto rows = static_cast<int64_t>(block.variant.size());
    request.rows_done += rows;
    request.rows_in_run += rows;
    request.error = request.sink->TakeBlock(std::move(block), static_cast<int32_t>(taken.prompt));
    return absl::OkStatus();
  });
  absl::flat_hash_set<Request*> seen;
  for (const Taken& taken : batch) {
    if (!seen.insert(taken.request.get()).second) continue;
    taken.request->timing.forward_ns += stats.ok() ? stats->forward_ns : absl::ToInt64Nanoseconds(absl::Now() - begin);
    taken.request->timing.forward_passes += stats.ok() ? stats->forward_passes : 0;
  }
  return stats.status();
}

// One request must not fail its neighbours: those that have got no row of the failed run are run again on their own.
void Scheduler::RunEachAlone(const std::vector<Taken>& batch, const absl::Status& error) {
  std::vector<Request*> order;
  absl::flat_hash_map<Request*, std::vector<Taken>> parts;
  for (const Taken& taken : batch) {
    auto& part = parts[taken.request.get()];
    if (part.empty()) order.push_back(taken.request.get());
    part.push_back(taken);
  }
  for (Request* request : order) {
    absl::Status status = error;
    if (parts.size() > 1 && request->rows_in_run == 0 && Verdict(*request).ok()) status = RunOnce(parts[request]);
    if (status.ok()) continue;
    spdlog::error("the engine failed: {}", std::string(status.message()));
    if (request->error.ok()) {
      request->error = ErrorWithReason(absl::StatusCode::kInternal, "ENGINE_FAILED",
                                       absl::StrCat("the engine failed: ", status.message()));
    }
  }
}

void Scheduler::FinishRequests(const std::vector<Taken>& batch) {
  absl::flat_hash_set<Request*> seen;
  for (const Taken& taken : batch) {
    Request& request = *taken.request;
    // Those with prompts left stand in the queue, where TakeEnded finds the failed ones.
    if (!seen.insert(&request).second || !AllTaken(request)) continue;
    absl::Status status;
    if (request.error.ok() && request.rows_done == request.prepared->total_rows()) {
      Finish(request, absl::OkStatus());
      continue;
    }
    status = Verdict(request);
    if (status.ok()) {
      status = ErrorWithReason(
          absl::StatusCode::kInternal, "ROWS_MISSING",
          absl::StrCat("the engine gave ", request.rows_done, " rows, expected ", request.prepared->total_rows()));
    }
    Finish(request, status);
  }
}

void Scheduler::Finish(Request& request, const absl::Status& status) {
  request.sink->Complete(status, request.timing);
}

}  // namespace ablate
