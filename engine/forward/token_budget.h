// How many packed tokens a forward pass may hold, from the memory that is free.
#pragma once

#include <cstdint>

#include "engine/model/config.h"
#include "engine/types.h"

namespace ablate {

// The smallest budget that makes sense.
inline constexpr int64_t kFewestTokens = 256;

enum class DeviceKind { kCpu, kCuda };

// Half of what is left of `free_bytes` behind what a pass needs whatever its size: a block of logits with what measures
// it, the kept residuals of a cut prompt's baseline, and on CUDA the padded copies of attention. Within bounds: a
// larger pass is no faster, a smaller one makes no sense.
int64_t TokenBudget(const GptConfig& config, Precision precision, DeviceKind device, int64_t free_bytes);

}  // namespace ablate
