// A few threads with a bounded queue, for work that would hold up gRPC's own threads: tokenising a large request.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace ablate {

// Thread-safe.
class Executor {
 public:
  Executor(size_t threads, size_t queue_size);
  // Runs what is queued, then joins.
  ~Executor();

  // RESOURCE_EXHAUSTED with RetryInfo where the queue is full; `task` is then dropped unrun.
  absl::Status Submit(std::function<void()> task);

 private:
  void Work();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return closed_ || !tasks_.empty(); }

  const size_t queue_size_;
  absl::Mutex mu_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace ablate
