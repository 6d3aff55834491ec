// Bounds how many lines a second the log takes of what anybody can cause.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace ablate {

// Thread-safe.
class LineBudget {
 public:
  explicit LineBudget(int64_t lines_a_second) : lines_a_second_(lines_a_second) {}

  // Whether there is room for another line in this second; one without room counts as left out.
  bool Take(absl::Time now) {
    absl::MutexLock lock(&mu_);
    if (Over(now)) {
      begin_ = now;
      taken_ = 0;
    }
    const bool has_room = taken_ < lines_a_second_;
    ++(has_room ? taken_ : left_out_);
    return has_room;
  }

  // How many were left out, once their second is over: told once.
  int64_t LeftOut(absl::Time now) {
    absl::MutexLock lock(&mu_);
    return Over(now) ? std::exchange(left_out_, 0) : 0;
  }

 private:
  // A clock that was set back must not silence the log.
  bool Over(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return now < begin_ || now - begin_ >= absl::Seconds(1);
  }

  const int64_t lines_a_second_;
  absl::Mutex mu_;
  absl::Time begin_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  int64_t taken_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t left_out_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace ablate
