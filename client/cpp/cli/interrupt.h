// Ctrl-C and SIGTERM as an orderly cancellation: partial files are removed, a local server is stopped.
#pragma once

#include <atomic>
#include <thread>

#include "client/cpp/cancellation.h"

namespace ablate::cli {

// While it lives, the first SIGINT, SIGTERM or SIGHUP cancels `cancellation`; a second ends the program at once with
// exit code 130. Make it before any other thread is started: threads inherit the blocked signals.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  client::Cancellation* cancellation() { return &cancellation_; }

 private:
  void Wait();

  client::Cancellation cancellation_;
  std::atomic<bool> is_over_ = false;
  std::thread waiter_;
};

}  // namespace ablate::cli
