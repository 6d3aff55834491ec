// How much of something all calls together may hold.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/errors.h"

namespace ablate {

// Thread-safe.
class Budget {
 public:
  // Given back when it goes; must not outlive the budget.
  class Lease {
   public:
    Lease(Budget* budget, int64_t amount) : budget_(budget), amount_(amount) {}
    Lease(Lease&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)), amount_(other.amount_) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (budget_ != nullptr) budget_->GiveBack(amount_);
    }

   private:
    Budget* budget_;
    const int64_t amount_;
  };

  // `what` names the unit in errors.
  Budget(std::string what, int64_t max) : what_(std::move(what)), max_(max) {}

  // RESOURCE_EXHAUSTED with RetryInfo where too much is held. Where nothing is, any amount is given.
  absl::StatusOr<Lease> Take(int64_t amount) {
    absl::MutexLock lock(&mu_);
    if (held_ > 0 && held_ > max_ - amount) {
      return RetryLater(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
                        absl::StrCat("other requests hold ", held_, " ", what_, " and this one needs ", amount,
                                     ", expected at most ", max_, " together"),
                        absl::Seconds(1));
    }
    held_ += amount;
    return Lease(this, amount);
  }

 private:
  void GiveBack(int64_t amount) {
    absl::MutexLock lock(&mu_);
    held_ -= amount;
  }

  const std::string what_;
  const int64_t max_;
  absl::Mutex mu_;
  int64_t held_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace ablate
