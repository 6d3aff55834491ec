// A few threads with a bounded queue, for work that would hold up gRPC's own threads, e.g. tokenising a large request.
#pragma once

#include <cstddef>
#include <cstdint>
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
  // `max_bytes`: most that the tasks in the queue may hold together. How many there are the gate bounds.
  Executor(size_t threads, int64_t max_bytes);
  // Runs what is queued, then joins.
  ~Executor();

  // `bytes`: what the task holds while it waits, its request say. RESOURCE_EXHAUSTED with RetryInfo where that is too
  // much on top of what waits; `task` is then dropped unrun. Where nothing waits, any task is taken.
  absl::Status Submit(int64_t bytes, std::function<void()> task);

 private:
  struct Task {
    int64_t bytes;
    std::function<void()> run;
  };

  void Work();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return closed_ || !tasks_.empty(); }

  const int64_t max_bytes_;
  absl::Mutex mu_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mu_);
  int64_t waiting_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace ablate
