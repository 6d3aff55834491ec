// Who may come in: nobody while the model loads, a bounded number while the server serves, nobody once it drains.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace ablate {

// Thread-safe. What happened before Open() is visible to whoever enters.
class Gate {
 public:
  // Held by a call for as long as it runs; must not outlive the gate.
  class Pass {
   public:
    explicit Pass(Gate* gate) : gate_(gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass();

   private:
    Gate* gate_;
  };

  // `capacity`: most calls inside at once.
  explicit Gate(int64_t capacity) : capacity_(capacity) {}

  // UNAVAILABLE while loading or draining, RESOURCE_EXHAUSTED where it is full; with RetryInfo.
  absl::StatusOr<Pass> Enter();

  // Loading is over. Does nothing where the drain has begun.
  void Open();
  // Lets nobody in from now on.
  void Close();
  // Waits until everybody has left or the deadline has come; returns how many have not left.
  int64_t WaitUntilEmpty(absl::Time deadline);

 private:
  enum class State { kLoading, kServing, kDraining };

  const int64_t capacity_;
  absl::Mutex mu_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kLoading;
  int64_t inside_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace ablate
