#include "server/signals.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

namespace ablate {
namespace {

// SIGUSR1 wakes the thread at the end.
sigset_t Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void BlockStopSignals() {
  const sigset_t set = Signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void StopWithStandardInput() {
  std::thread([] {
    std::array<char, 256> ignored;
    ssize_t n = 0;
    do {
      n = read(STDIN_FILENO, ignored.data(), ignored.size());
    } while (n > 0 || (n < 0 && errno == EINTR));
    // To the process, not to this thread: StopSignals waits in another.
    kill(getpid(), SIGTERM);
  }).detach();
}

StopSignals::StopSignals(std::function<void(int)> stop) : stop_(std::move(stop)), thread_([this] { Wait(); }) {}

StopSignals::~StopSignals() {
  is_over_ = true;
  pthread_kill(thread_.native_handle(), SIGUSR1);
  thread_.join();
}

void StopSignals::Wait() {
  const sigset_t set = Signals();
  bool is_stopping = false;
  while (!is_over_) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0 || signal == SIGUSR1) continue;
    if (std::exchange(is_stopping, true)) std::_Exit(128 + signal);
    stop_(signal);
  }
}

}  // namespace ablate
