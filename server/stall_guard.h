// Gives up on calls whose reader takes nothing: without a deadline they would keep their places for ever.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace ablate {

// Why a call is ended: what the client did not do for so long, and what it should do.
std::string StallText(absl::string_view did, absl::Duration limit, absl::string_view way_out);

// Thread-safe.
class StallGuard {
 public:
  class Watched {
   public:
    virtual ~Watched() = default;
    // Ends the call where the transport has not got rid of one message since before `since`. Any thread; must not
    // block.
    virtual void CancelIfStalled(absl::Time since) = 0;
  };

  // Looks often enough to notice within a quarter more than `limit`.
  explicit StallGuard(absl::Duration limit);
  // Joins. Before what the watched need goes.
  ~StallGuard();

  // Until it is gone.
  void Watch(std::weak_ptr<Watched> watched);

 private:
  void Loop();

  const absl::Duration limit_;
  absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::weak_ptr<Watched>> watched_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace ablate
