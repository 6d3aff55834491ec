#include "server/gate.h"

#include "server/errors.h"

namespace ablate {

Gate::Pass::~Pass() {
  if (gate_ == nullptr) return;
  absl::MutexLock lock(&gate_->mu_);
  --gate_->inside_;
}

absl::StatusOr<Gate::Pass> Gate::Enter(std::string tenant) {
  absl::MutexLock lock(&mu_);
  switch (state_) {
    case State::kLoading:
      return RetryLater(absl::StatusCode::kUnavailable, "MODEL_LOADING", "loading: the model is not ready yet",
                        absl::Seconds(1));
    case State::kDraining:
      return RetryLater(absl::StatusCode::kUnavailable, "DRAINING", "draining: the server is about to stop",
                        absl::Seconds(1));
    case State::kServing:
      break;
  }
  if (inside_ >= capacity_) {
    return RetryLater(absl::StatusCode::kResourceExhausted, "TOO_MANY_CALLS", "too many calls are open (--max-calls)",
                      absl::Seconds(1));
  }
  ++inside_;
  return Pass(this, std::move(tenant));
}

void Gate::Open() {
  absl::MutexLock lock(&mu_);
  if (state_ == State::kLoading) state_ = State::kServing;
}

void Gate::Close() {
  absl::MutexLock lock(&mu_);
  state_ = State::kDraining;
}

int64_t Gate::WaitUntilEmpty(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  mu_.AwaitWithDeadline(absl::Condition(+[](int64_t* inside) { return *inside == 0; }, &inside_), deadline);
  return inside_;
}

}  // namespace ablate
