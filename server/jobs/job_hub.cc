#include "server/jobs/job_hub.h"

#include <utility>
#include <vector>

namespace ablate {

std::unique_ptr<JobHub::Watch> JobHub::Add(int64_t job, std::function<void()> changed) {
  absl::MutexLock lock(&mu_);
  const uint64_t key = next_++;
  watchers_.emplace(key, Watcher{.job = job, .changed = std::move(changed)});
  return std::make_unique<Watch>(this, key);
}

void JobHub::Forget(uint64_t key) {
  // What it holds is let go without the lock.
  Watcher gone;
  absl::MutexLock lock(&mu_);
  const auto found = watchers_.find(key);
  if (found == watchers_.end()) return;
  gone = std::move(found->second);
  watchers_.erase(found);
}

void JobHub::Changed(int64_t job) {
  std::vector<std::function<void()>> calls;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [key, watcher] : watchers_) {
      if (watcher.job == job) calls.push_back(watcher.changed);
    }
  }
  for (const auto& call : calls) call();
}

void JobHub::Close() {
  std::vector<std::function<void()>> calls;
  {
    absl::MutexLock lock(&mu_);
    closed_ = true;
    for (const auto& [key, watcher] : watchers_) calls.push_back(watcher.changed);
  }
  for (const auto& call : calls) call();
}

bool JobHub::closed() const {
  absl::MutexLock lock(&mu_);
  return closed_;
}

}  // namespace ablate
