// SIGTERM and SIGINT, taken by a thread of their own, where everything may be called.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace ablate {

// Blocks both signals (and SIGUSR1, which StopSignals uses) in this thread and in those that it starts from now on;
// call it first in main.
void BlockStopSignals();

// From now on the end of standard input is a SIGTERM. What is written there is passed over. Call it after
// BlockStopSignals; the thread that waits ends with the process.
void StopWithStandardInput();

// While it lives, the first signal calls `stop` with its number, from the thread, and a second one ends the process at
// once with 128 + its number. After BlockStopSignals; one at a time.
class StopSignals {
 public:
  explicit StopSignals(std::function<void(int)> stop);
  // Waits until `stop` has returned, if it was called.
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  void Wait();

  const std::function<void(int)> stop_;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

}  // namespace ablate
