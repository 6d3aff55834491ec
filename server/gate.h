// Who may come in: nobody while the model loads, a bounded number while the server serves, nobody once it drains.
#pragma once

#include <cstdint>
#include <string>
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
    Pass(Gate* gate, std::string tenant) : gate_(gate), tenant_(std::move(tenant)) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), tenant_(std::move(other.tenant_)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass();

    // Whose call it is.
    const std::string& tenant() const { return tenant_; }

   private:
    Gate* gate_;
    std::string tenant_;
  };

  // `capacity`: most calls inside at once.
  explicit Gate(int64_t capacity) : capacity_(capacity) {}

  // For a call of the tenant's: calls come through the Entrance, which knows whose they are. UNAVAILABLE while loading
  // or draining, RESOURCE_EXHAUSTED where it is full; with RetryInfo.
  absl::StatusOr<Pass> Enter(std::string tenant);

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
