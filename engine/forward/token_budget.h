// How many packed tokens a forward pass may hold, from the memory that is free.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "engine/model/config.h"
#include "engine/types.h"

namespace ablate {

// The smallest budget that makes sense.
inline constexpr int64_t kFewestTokens = 256;

enum class DeviceKind { kCpu, kCuda };

// Half of what is left of `free_bytes` behind what a pass needs whatever its size: a block of logits with what measures
// it, the kept residuals of a cut prompt's baseline, what effects or one scan's heads' outputs take, and on CUDA the
// padded copies of attention. Within bounds: a larger pass is no faster, a smaller one makes no sense.
int64_t TokenBudget(const GptConfig& config, Precision precision, DeviceKind device, int64_t free_bytes);

// How many of `tokens` a pass of these scans may hold: where some want heads' outputs or effects, which take memory of
// their own for each token, so many that it takes no more than a pass of `tokens` without them; and heads' outputs,
// which lie on the host whatever the device is, at most kMostHeadOutputBytes.
inline constexpr int64_t kMostHeadOutputBytes = int64_t{1} << 30;
int64_t TokensOfPass(const GptConfig& config, Precision precision, int64_t tokens, absl::Span<const Scan> scans);

}  // namespace ablate
