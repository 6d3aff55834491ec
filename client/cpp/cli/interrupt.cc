#include "client/cpp/cli/interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

#include "client/cpp/cli/exit_code.h"

namespace ablate::cli {
namespace {

// SIGUSR1 wakes the waiter at the scope's end.
sigset_t Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&signals, number);
  return signals;
}

}  // namespace

InterruptScope::InterruptScope() {
  const sigset_t signals = Signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  waiter_ = std::thread([this] { Wait(); });
}

InterruptScope::~InterruptScope() {
  is_over_ = true;
  pthread_kill(waiter_.native_handle(), SIGUSR1);
  waiter_.join();
}

void InterruptScope::Wait() {
  const sigset_t signals = Signals();
  for (int number = 0; sigwait(&signals, &number) == 0 && !is_over_;) {
    if (number == SIGUSR1) continue;
    if (cancellation_.cancelled()) _exit(kExitInterrupted);
    cancellation_.Cancel();
  }
}

}  // namespace ablate::cli
