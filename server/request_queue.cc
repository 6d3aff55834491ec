#include "server/request_queue.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/convert.h"
#include "server/errors.h"

namespace ablate {
namespace {

// Bytes of results that one prompt of a request produces.
int64_t PromptBytes(const Request& request) {
  return request.prepared->rows_per_prompt() * RowBytes(request.prepared->top_k);
}

// Whether one more prompt may run when results of `taken_bytes` are on their way in the batch being put together.
bool HasRoomForResults(const Request& request, int64_t taken_bytes) {
  const int64_t waiting = request.sink->waiting_bytes() + taken_bytes;
  return waiting == 0 || waiting + PromptBytes(request) <= request.sink->max_waiting_bytes();
}

int64_t NextCost(const Request& request) {
  return request.prepared->prompts[request.next_prompt].cost;
}

// Of the prompts not yet taken up.
int64_t WaitingCost(const Request& request) {
  int64_t cost = 0;
  for (size_t i = request.next_prompt; i < request.prepared->prompts.size(); ++i) {
    cost += request.prepared->prompts[i].cost;
  }
  return cost;
}

}  // namespace

absl::Status RequestQueue::CheckRoom(const Request& request) const {
  if (requests_.size() >= static_cast<size_t>(options_.max_requests)) {
    return RetryLater(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
                      absl::StrCat("the queue is full: ", requests_.size(), " requests are waiting (--queue-size)"),
                      RetryDelay());
  }
  if (!requests_.empty() && waiting_cost_ > options_.max_cost - request.prepared->cost) {
    return RetryLater(
        absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
        absl::StrCat("the queue is full: ", waiting_cost_,
                     " packed tokens x layers are waiting and the "
                     "request costs ",
                     request.prepared->cost, ", expected at most ", options_.max_cost, " together (--max-queue-cost)"),
        RetryDelay());
  }
  return absl::OkStatus();
}

void RequestQueue::Put(std::shared_ptr<Request> request) {
  waiting_cost_ += request->prepared->cost;
  requests_.push_back(std::move(request));
}

std::vector<EndedRequest> RequestQueue::TakeEndedUntouched(bool closed) {
  return TakeEndedIf(/*untouched_only=*/true, closed);
}

std::vector<EndedRequest> RequestQueue::TakeEnded(bool closed) {
  return TakeEndedIf(/*untouched_only=*/false, closed);
}

std::vector<EndedRequest> RequestQueue::TakeEndedIf(bool untouched_only, bool closed) {
  std::vector<EndedRequest> ended;
  std::deque<std::shared_ptr<Request>> going_on;
  for (std::shared_ptr<Request>& request : requests_) {
    const bool may_look = !untouched_only || request->next_prompt == 0;
    absl::Status why = may_look ? Verdict(*request, closed) : absl::OkStatus();
    if (why.ok()) {
      going_on.push_back(std::move(request));
      continue;
    }
    waiting_cost_ -= WaitingCost(*request);
    ended.push_back({std::move(request), std::move(why)});
  }
  requests_ = std::move(going_on);
  return ended;
}

std::vector<TakenPrompt> RequestQueue::TakeBatch() {
  std::vector<TakenPrompt> batch;
  absl::flat_hash_map<const Request*, int64_t> bytes_of;
  size_t passed_over = 0;
  while (passed_over < requests_.size()) {
    std::shared_ptr<Request> request = requests_.front();
    int64_t& bytes = bytes_of[request.get()];
    const bool has_room = HasRoomForResults(*request, bytes);
    if (has_room && !batch.empty() && running_cost_ + NextCost(*request) > options_.batch_cost) break;
    requests_.pop_front();
    if (!has_room) {
      requests_.push_back(std::move(request));
      ++passed_over;
      continue;
    }
    passed_over = 0;
    bytes += PromptBytes(*request);
    running_cost_ += NextCost(*request);
    waiting_cost_ -= NextCost(*request);
    batch.push_back({request, request->next_prompt++});
    if (!AllTaken(*request)) requests_.push_back(std::move(request));
  }
  return batch;
}

void RequestQueue::BatchIsDone(absl::Duration took) {
  const double rate = static_cast<double>(running_cost_) / std::max(absl::ToDoubleSeconds(took), 1e-6);
  cost_per_second_ = cost_per_second_ == 0 ? rate : 0.8 * cost_per_second_ + 0.2 * rate;
  running_cost_ = 0;
}

bool RequestQueue::HasReady() const {
  return std::any_of(requests_.begin(), requests_.end(), [](const auto& r) { return HasRoomForResults(*r, 0); });
}

bool RequestQueue::HasAbandoned() const {
  return std::any_of(requests_.begin(), requests_.end(), [](const auto& r) { return r->sink->Abandoned(); });
}

absl::Time RequestQueue::NextDeadline() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& request : requests_) next = std::min(next, request->deadline);
  return next;
}

absl::Duration RequestQueue::RetryDelay() const {
  if (cost_per_second_ <= 0) return absl::Seconds(1);
  const double seconds = static_cast<double>(waiting_cost_ + running_cost_) / cost_per_second_;
  return absl::Seconds(std::clamp(seconds, 0.1, 60.0));
}

}  // namespace ablate
