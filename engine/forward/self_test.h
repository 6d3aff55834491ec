// The start-up self-test: do a row's bits depend on its neighbours on this machine?
#pragma once

#include "absl/status/statusor.h"
#include "engine/forward/gpt_engine.h"

namespace ablate {

// Runs a few variants of short prompts alone, together, and cut, and compares every value bit for bit. Doubles as the
// device's warm-up. An error is the engine's own: the device does not work.
absl::StatusOr<bool> IsBatchInvariant(GptEngine& engine);

}  // namespace ablate
