// Counts what chunks ask for from their prompts' tries, without building them.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "engine/plan/chunker.h"
#include "engine/plan/trie.h"
#include "engine/plan/work.h"

namespace ablate {

PlanWork CountWork(absl::Span<const Trie> tries, absl::Span<const ChunkSpec> chunks, int32_t n_layers);

}  // namespace ablate
