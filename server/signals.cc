#include "server/signals.h"

#include <csignal>
#include <cstdlib>
#include <thread>
#include <utility>

namespace ablate {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

int WaitForSignal() {
  const sigset_t set = StopSignals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  return signal;
}

}  // namespace

void BlockStopSignals() {
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void OnStopSignal(std::function<void(int)> stop) {
  std::thread([stop = std::move(stop)] {
    stop(WaitForSignal());
    std::_Exit(128 + WaitForSignal());
  }).detach();
}

}  // namespace ablate
