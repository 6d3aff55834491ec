// A switch that ends calls from another thread.
#pragma once

#include <functional>
#include <list>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace ablate::client {

// Thread-safe. Must outlive every call that was given it.
class Cancellation {
 public:
  // Ends the calls that hold this switch, now and later. Further calls change nothing.
  void Cancel() {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    for (const auto& hook : hooks_) hook();
  }

  bool cancelled() const {
    absl::MutexLock lock(&mutex_);
    return cancelled_;
  }

  // Sleeps for `duration` or until Cancel, whichever is first; true when cancelled.
  bool WaitFor(absl::Duration duration) const {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&cancelled_), duration);
    return cancelled_;
  }

  // While it lives, Cancel runs `hook` (at once where Cancel was earlier). The hook runs under the switch's lock: it
  // must not call back, and it has ended when the destructor returns.
  class Registration {
   public:
    // A null switch is never cancelled.
    Registration(Cancellation* owner, std::function<void()> hook) : owner_(owner) {
      if (owner_ == nullptr) return;
      absl::MutexLock lock(&owner_->mutex_);
      if (owner_->cancelled_) hook();
      at_ = owner_->hooks_.insert(owner_->hooks_.end(), std::move(hook));
    }
    ~Registration() {
      if (owner_ == nullptr) return;
      absl::MutexLock lock(&owner_->mutex_);
      owner_->hooks_.erase(at_);
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    Cancellation* const owner_;
    std::list<std::function<void()>>::iterator at_;
  };

 private:
  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<std::function<void()>> hooks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ablate::client
