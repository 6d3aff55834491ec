// SIGTERM and SIGINT, taken by a thread of their own, where everything may be called.
#pragma once

#include <functional>

namespace ablate {

// Blocks both signals in this thread and in those that it starts from now on; call it first in main.
void BlockStopSignals();

// Starts a thread for the rest of the process: the first signal calls `stop` with its number, a second one ends the
// process at once with 128 + its number. After BlockStopSignals, once.
void OnStopSignal(std::function<void(int)> stop);

}  // namespace ablate
