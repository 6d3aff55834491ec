#include "server/stall_guard.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace ablate {

std::string StallText(absl::string_view did, absl::Duration limit, absl::string_view way_out) {
  return absl::StrCat("the client ", did, " for ", absl::FormatDuration(limit), " (--max-write-stall): ", way_out);
}

StallGuard::StallGuard(absl::Duration limit) : limit_(limit), thread_([this] { Loop(); }) {}

StallGuard::~StallGuard() {
  {
    absl::MutexLock lock(&mu_);
    closed_ = true;
  }
  thread_.join();
}

void StallGuard::Watch(std::weak_ptr<Watched> watched) {
  absl::MutexLock lock(&mu_);
  watched_.push_back(std::move(watched));
}

void StallGuard::Loop() {
  const absl::Duration period = std::clamp(limit_ / 4, absl::Milliseconds(10), absl::Seconds(5));
  while (true) {
    std::vector<std::shared_ptr<Watched>> alive;
    {
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&closed_), period)) return;
      std::erase_if(watched_, [](const auto& weak) { return weak.expired(); });
      for (const auto& weak : watched_) {
        if (auto watched = weak.lock()) alive.push_back(std::move(watched));
      }
    }
    for (const auto& watched : alive) watched->CancelIfStalled(absl::Now() - limit_);
  }
}

}  // namespace ablate
