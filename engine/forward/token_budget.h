// How many packed tokens a forward pass may hold, from the memory that is free.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/types/span.h"
#include "engine/model/config.h"
#include "engine/types.h"

namespace ablate {

// The smallest budget that makes sense.
inline constexpr int64_t kFewestTokens = 256;

enum class DeviceKind { kCpu, kCuda };

// How passes may use memory.
struct MemoryUse {
  Precision precision = Precision::kFloat32;
  DeviceKind device = DeviceKind::kCpu;
  // Beside the weights.
  int64_t budget_bytes = 0;
};

// Of `free_bytes`, half: the caches and libraries of the process want their part.
int64_t DefaultMemoryBudget(int64_t free_bytes);

// What the smallest pass needs.
int64_t LeastMemoryBudget(const GptConfig& config, Precision precision, DeviceKind device);

// Packed tokens that fit into what is left of the budget behind what a pass needs whatever its size: a block of logits
// with what measures it, what is kept of a cut prompt's unedited runs, what effects or one scan's heads' outputs take,
// and on CUDA the padded copies of attention. Within bounds: a larger pass is no faster, a smaller one makes no
// sense.
int64_t TokenBudget(const GptConfig& config, const MemoryUse& use);

// What the buffers of such a pass take, a block of logits included.
int64_t PassBytes(const GptConfig& config, const MemoryUse& use, int64_t tokens);

// How many of `tokens` a pass of these scans may hold within the budget: edit tables, effects and heads' outputs take
// memory of their own. Heads' outputs, which lie on the host whatever the device is, take at most kMostHeadOutputBytes.
inline constexpr int64_t kMostHeadOutputBytes = int64_t{1} << 30;
int64_t TokensOfPass(const GptConfig& config, const MemoryUse& use, int64_t tokens, absl::Span<const Scan> scans);

// Of a batch's first pass on a device that works while the next one is planned: few, so that it has work soon.
inline int64_t FirstPassTokens(int64_t tokens) {
  return std::max<int64_t>(1, tokens / 4);
}

}  // namespace ablate
