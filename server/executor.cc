#include "server/executor.h"

#include <utility>

#include "absl/time/time.h"
#include "server/errors.h"

namespace ablate {

Executor::Executor(size_t threads, size_t queue_size) : queue_size_(queue_size) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

Executor::~Executor() {
  {
    absl::MutexLock lock(&mu_);
    closed_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status Executor::Submit(std::function<void()> task) {
  absl::MutexLock lock(&mu_);
  if (tasks_.size() >= queue_size_) {
    return RetryLater(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
                      "too many requests are waiting to be tokenised", absl::Milliseconds(200));
  }
  tasks_.push_back(std::move(task));
  return absl::OkStatus();
}

void Executor::Work() {
  while (true) {
    std::function<void()> task;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &Executor::HasWork));
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace ablate
