#include "server/executor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/errors.h"

namespace ablate {

Executor::Executor(size_t threads, int64_t max_bytes) : max_bytes_(max_bytes) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

Executor::~Executor() {
  {
    absl::MutexLock lock(&mu_);
    closed_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status Executor::Submit(int64_t bytes, std::function<void()> task) {
  absl::MutexLock lock(&mu_);
  if (!tasks_.empty() && waiting_bytes_ > max_bytes_ - bytes) {
    return RetryLater(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
                      absl::StrCat("too much is waiting: ", waiting_bytes_, " bytes in ", tasks_.size(), " requests"),
                      absl::Milliseconds(200));
  }
  waiting_bytes_ += bytes;
  tasks_.push_back({bytes, std::move(task)});
  return absl::OkStatus();
}

void Executor::Work() {
  while (true) {
    std::function<void()> task;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &Executor::HasWork));
      if (tasks_.empty()) return;
      task = std::move(tasks_.front().run);
      waiting_bytes_ -= tasks_.front().bytes;
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace ablate
