// Where a thread's signal handlers run when its own stack has overflowed.
#pragma once

#include <csignal>
#include <cstddef>
#include <vector>

namespace ablate {

// Of the thread that makes it, while it lives.
class SignalStack {
 public:
  SignalStack() : memory_(kBytes) {
    const stack_t stack = {.ss_sp = memory_.data(), .ss_flags = 0, .ss_size = memory_.size()};
    sigaltstack(&stack, nullptr);
  }
  ~SignalStack() {
    const stack_t none = {.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    sigaltstack(&none, nullptr);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  // The registers of a processor with AVX-512 and AMX take 11 KiB of it.
  static constexpr size_t kBytes = size_t{64} << 10;
  std::vector<std::byte> memory_;
};

}  // namespace ablate
