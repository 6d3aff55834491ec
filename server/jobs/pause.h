// Waiting that a stop ends.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace ablate {

// Waits so long, whatever becomes of the time of day; false where `stopped` says so before it is over.
inline bool Pause(absl::Duration duration, const std::function<bool()>& stopped) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(duration);
  while (std::chrono::steady_clock::now() < end) {
    if (stopped()) return false;
    absl::SleepFor(std::min(duration, absl::Milliseconds(50)));
  }
  return !stopped();
}

}  // namespace ablate
