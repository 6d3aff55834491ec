// Decides which variants run together: only widths are counted here, no index is made.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/plan/plan.h"
#include "engine/plan/trie.h"

namespace ablate {

// A prompt's part of a chunk.
struct ChunkPart {
  int32_t prompt = 0;
  // Leaves [first_leaf, end_leaf) of the prompt's trie.
  int32_t first_leaf = 0;
  int32_t end_leaf = 0;
  // The chunk that reports the baseline and the variants that equal it.
  bool reports_baseline = true;
};

struct ChunkSpec {
  std::vector<ChunkPart> parts;
  int32_t first_layer = 0;
  bool keeps_baselines = false;
  bool releases_baselines = false;
  // Sum over the layers of outgoing packed tokens.
  int64_t cost = 0;
};

// InvalidArgument names the prompt of which a chunk that cannot be cut has more tokens than an int32 can index.
absl::StatusOr<std::vector<ChunkSpec>> CutIntoChunks(absl::Span<const Trie> tries, const PlanOptions& options);

}  // namespace ablate
