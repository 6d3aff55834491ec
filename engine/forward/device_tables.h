// A chunk's index tables where its device reads them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/forward/pass_tables.h"
#include "engine/model/config.h"
#include "engine/plan/plan.h"

namespace ablate {

// Either the plan's own vectors, as far as they have the right form, or one block: on a GPU it is queued to be copied
// on the current stream, and nobody waits for it.
class DeviceTables {
 public:
  // Of one chunk: on the CPU its own vectors, on a GPU a block of its own shape. Chunk and tokens must outlive this.
  // Throws as Fill.
  DeviceTables(const Chunk& chunk, const PackedTokens& tokens, const GptConfig& config, int64_t n_entries,
               c10::Device device);
  // A block for chunks that `room` holds, one after the other; on the CPU too, where only tests want it.
  DeviceTables(PassShape room, const GptConfig& config, c10::Device device);

  // The next chunk's, in the place of the last one's, which the stream may still be reading. Throws where an index is
  // out of range (CheckTokens, CheckIndices), or the room does not hold the chunk. `n_entries`: E of the edit table.
  void Fill(const Chunk& chunk, const PackedTokens& tokens, int64_t n_entries);

  TokenTables tokens() const;
  // Of layer `index` of the chunk.
  LayerTables At(size_t index) const;
  // What the block takes.
  int64_t bytes() const { return block_.defined() ? block_.numel() : 0; }

 private:
  const GptConfig& config_;
  // Without a block.
  TokenTables host_tokens_;
  std::vector<HostTables> host_;  // [layers]
  // With one.
  std::optional<PassLayout> layout_;
  at::Tensor block_;  // [bytes] uint8
};

}  // namespace ablate
