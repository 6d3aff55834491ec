// Writes a chunk's rows and indices out.
#pragma once

#include "absl/types/span.h"
#include "engine/plan/chunker.h"
#include "engine/plan/plan.h"
#include "engine/plan/trie.h"

namespace ablate {

// `spec` comes from CutIntoChunks(tries, ...) with the same number of layers.
Chunk BuildChunk(absl::Span<const Trie> tries, const ChunkSpec& spec, int32_t n_layers);

}  // namespace ablate
