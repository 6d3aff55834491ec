// Who wants to know when a job changes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace ablate {

// Thread-safe.
class JobHub {
 public:
  // Tells of changes from now on until it goes. Must not outlive the hub.
  class Watch {
   public:
    Watch(JobHub* hub, uint64_t key) : hub_(hub), key_(key) {}
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { hub_->Forget(key_); }

   private:
    JobHub* const hub_;
    const uint64_t key_;
  };

  // `changed` is called behind each change of the job, and when the hub closes; from any thread, with no lock held. It
  // must not block. It may be under way when the watch goes: whatever it touches it holds.
  std::unique_ptr<Watch> Add(int64_t job, std::function<void()> changed);

  // The job has more results, another state, or is gone.
  void Changed(int64_t job);

  // The server drains: whoever waits is to end.
  void Close();
  bool closed() const;

 private:
  struct Watcher {
    int64_t job;
    std::function<void()> changed;
  };
  void Forget(uint64_t key);

  mutable absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t next_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<uint64_t, Watcher> watchers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ablate
