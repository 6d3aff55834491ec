// The start-up self-test: do a row's bits depend on its neighbours on this machine?
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/engine.h"
#include "engine/forward/gpt_engine.h"

namespace ablate {

// GptEngine::RunWithin.
using LimitedRun = std::function<absl::StatusOr<RunStats>(const RunLimits&, absl::Span<const Scan>, const BlockSink&)>;

// Runs the self-test's scans a few times, for the rate and for what is chosen and loaded at a first run.
absl::Status WarmUp(const EngineInfo& info, const LimitedRun& run);

// Runs prompts of several lengths, one of them longer than attention's block of keys, with a few variants each:
// together, with one thread, cut as small as can be, and each variant alone. False where a target's logit or log-prob,
// an entropy or a KL divergence differs in a bit. Doubles as the device's warm-up. An error is the run's own: the
// device does not work.
absl::StatusOr<bool> IsBatchInvariant(const EngineInfo& info, const LimitedRun& run);

}  // namespace ablate
