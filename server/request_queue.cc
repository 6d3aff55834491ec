#include "server/request_queue.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/row_blocks.h"

namespace ablate {
namespace {

size_t NextPrompt(const Request& request) {
  return static_cast<size_t>(request.prepared->units[request.next_unit].prompt);
}

// Bytes of results that the next prompt of a request produces.
int64_t NextBytes(const Request& request) {
  return ResultBytes(*request.prepared, NextPrompt(request));
}

// Whether one more prompt may run when results of `taken_bytes` are on their way in the batch being put together.
bool HasRoomForResults(const Request& request, int64_t taken_bytes) {
  const int64_t waiting = request.sink->waiting_bytes() + taken_bytes;
  return waiting == 0 || waiting + NextBytes(request) <= request.sink->max_waiting_bytes();
}

// Behind the last unit of the next prompt.
size_t NextEnd(const Request& request) {
  const auto& units = request.prepared->units;
  size_t end = request.next_unit;
  while (end < units.size() && static_cast<size_t>(units[end].prompt) == NextPrompt(request)) ++end;
  return end;
}

int64_t CostOf(const Request& request, size_t begin, size_t end) {
  int64_t cost = 0;
  for (size_t i = begin; i < end; ++i) cost += request.prepared->units[i].cost;
  return cost;
}

// Of the next prompt.
int64_t NextCost(const Request& request) {
  return CostOf(request, request.next_unit, NextEnd(request));
}

// Of the prompts not yet taken up.
int64_t WaitingCost(const Request& request) {
  return CostOf(request, request.next_unit, request.prepared->units.size());
}

}  // namespace

absl::Status RequestQueue::CheckRoom(const Request& request) const {
  if (request.is_background || request.is_follow_up) return absl::OkStatus();
  const auto waiting = static_cast<int64_t>(foreground_.requests.size());
  if (waiting >= options_.max_requests) {
    return RetryLater(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
                      absl::StrCat("the queue is full: ", waiting, " requests are waiting (--queue-size)"),
                      RetryDelay());
  }
  const int64_t cost = request.prepared->cost + request.cost_to_come;
  if (waiting > 0 && foreground_.waiting_cost > options_.max_cost - cost) {
    return RetryLater(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
                      absl::StrCat("the queue is full: ", foreground_.waiting_cost,
                                   " packed tokens x layers are waiting and the request costs ", cost,
                                   ", expected at most ", options_.max_cost, " together (--max-queue-cost)"),
                      RetryDelay());
  }
  return absl::OkStatus();
}

void RequestQueue::Put(std::shared_ptr<Request> request) {
  Lane& lane = request->is_background ? background_ : foreground_;
  lane.waiting_cost += WaitingCost(*request);
  lane.requests.push_back(std::move(request));
}

std::vector<EndedRequest> RequestQueue::TakeEndedUntouched(bool closed) {
  std::vector<EndedRequest> ended;
  TakeEndedIf(foreground_, /*untouched_only=*/true, closed, ended);
  return ended;
}

std::vector<EndedRequest> RequestQueue::TakeEnded(bool closed) {
  std::vector<EndedRequest> ended;
  for (Lane* lane : {&foreground_, &background_}) TakeEndedIf(*lane, /*untouched_only=*/false, closed, ended);
  return ended;
}

void RequestQueue::TakeEndedIf(Lane& lane, bool untouched_only, bool closed, std::vector<EndedRequest>& ended) {
  std::deque<std::shared_ptr<Request>> going_on;
  for (std::shared_ptr<Request>& request : lane.requests) {
    const bool may_look = !untouched_only || request->next_unit == 0;
    absl::Status why = may_look ? Verdict(*request, closed) : absl::OkStatus();
    if (why.ok()) {
      going_on.push_back(std::move(request));
      continue;
    }
    lane.waiting_cost -= WaitingCost(*request);
    ended.push_back({std::move(request), std::move(why)});
  }
  lane.requests = std::move(going_on);
}

std::vector<TakenUnit> RequestQueue::TakeBatch() {
  const bool background_could = background_.HasReady();
  const bool is_its_turn =
      background_could && (!foreground_.HasReady() || batches_before_it_ >= options_.batches_before_background);
  batches_before_it_ = background_could && !is_its_turn ? batches_before_it_ + 1 : 0;
  return is_its_turn ? TakeFrom(background_, BackgroundCost()) : TakeFrom(foreground_, options_.batch_cost);
}

std::vector<TakenUnit> RequestQueue::TakeBetween(bool closed, std::vector<EndedRequest>& ended) {
  TakeEndedIf(foreground_, /*untouched_only=*/false, closed, ended);
  return TakeFrom(foreground_, options_.batch_cost);
}

// Whoever comes while it runs waits for it, or for a chunk of it.
int64_t RequestQueue::BackgroundCost() const {
  constexpr double kSeconds = 0.5;
  return std::min(options_.batch_cost, static_cast<int64_t>(kSeconds * cost_per_second_));
}

std::vector<TakenUnit> RequestQueue::TakeFrom(Lane& lane, int64_t batch_cost) {
  std::deque<std::shared_ptr<Request>>& requests = lane.requests;
  std::vector<TakenUnit> batch;
  absl::flat_hash_map<const Request*, int64_t> bytes_of;
  size_t passed_over = 0;
  int64_t batch_takes = 0, cost_to_come = 0;
  while (passed_over < requests.size()) {
    std::shared_ptr<Request> request = requests.front();
    int64_t& bytes = bytes_of[request.get()];
    const bool has_room = HasRoomForResults(*request, bytes);
    const int64_t cost = NextCost(*request);
    if (has_room && !batch.empty() && batch_takes + cost > batch_cost) break;
    requests.pop_front();
    if (!has_room) {
      requests.push_back(std::move(request));
      ++passed_over;
      continue;
    }
    passed_over = 0;
    bytes += NextBytes(*request);
    batch_takes += cost;
    lane.waiting_cost -= cost;
    for (const size_t end = NextEnd(*request); request->next_unit < end; ++request->next_unit) {
      batch.push_back({request, request->next_unit});
    }
    if (AllTaken(*request)) {
      cost_to_come += request->cost_to_come;
    } else {
      requests.push_back(std::move(request));
    }
  }
  if (!batch.empty()) {
    running_.push_back({.cost = batch_takes, .cost_to_come = cost_to_come, .is_background = &lane == &background_});
  }
  return batch;
}

void RequestQueue::BatchIsDone(absl::Duration took) {
  const double rate = static_cast<double>(running_.back().cost) / std::max(absl::ToDoubleSeconds(took), 1e-6);
  cost_per_second_ = is_measured_ ? 0.8 * cost_per_second_ + 0.2 * rate : rate;
  is_measured_ = true;
  running_.pop_back();
}

bool RequestQueue::Lane::HasReady() const {
  return std::any_of(requests.begin(), requests.end(), [](const auto& r) { return HasRoomForResults(*r, 0); });
}

bool RequestQueue::HasReady() const {
  return foreground_.HasReady() || background_.HasReady();
}

bool RequestQueue::HasAbandoned() const {
  const auto abandoned = [](const auto& r) { return r->sink->Abandoned(); };
  return std::any_of(foreground_.requests.begin(), foreground_.requests.end(), abandoned) ||
         std::any_of(background_.requests.begin(), background_.requests.end(), abandoned);
}

absl::Time RequestQueue::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  for (const Lane* lane : {&foreground_, &background_}) {
    for (const auto& request : lane->requests) next = std::min(next, request->deadline);
  }
  return next;
}

absl::Duration RequestQueue::WaitingTime() const {
  if (cost_per_second_ <= 0) return absl::ZeroDuration();
  int64_t cost = foreground_.waiting_cost;
  for (const auto& request : foreground_.requests) cost += request->cost_to_come;
  for (const RunningBatch& batch : running_) cost += batch.is_background ? 0 : batch.cost + batch.cost_to_come;
  return absl::Seconds(static_cast<double>(cost) / cost_per_second_);
}

absl::Duration RequestQueue::RetryDelay() const {
  if (cost_per_second_ <= 0) return absl::Seconds(1);
  return std::clamp(WaitingTime(), absl::Milliseconds(100), absl::Minutes(1));
}

}  // namespace ablate
