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

// What passes run on: the device, and which rows our attention takes there.
struct PassDevice {
  c10::Device device;
  OwnAttention own_attention;
};

// Either the plan's own vectors, as far as they have the right form, or one block: on a GPU it is queued to be copied
// on the current stream, and nobody waits for it.
class DeviceTables {
 public:
  // Of one chunk: on the CPU its own vectors, on a GPU a block of its own shape, and the edit table [E, Dh], or
  // undefined, itself. Chunk and tokens must outlive this. Throws as Fill.
  DeviceTables(const Chunk& chunk, const PackedTokens& tokens, const GptConfig& config, at::Tensor edit_table,
               const PassDevice& on);
  // A block for chunks that `room` holds, one after the other, and a table for as many entries as `edit_table` has,
  // rounded up to a power of two, which tells only its size and type; on the CPU too, where only tests want it.
  DeviceTables(PassShape room, const GptConfig& config, const at::Tensor& edit_table, const PassDevice& on);

  // The next chunk's, in the place of the last one's, which the stream may still be reading. Throws where an index is
  // out of range (CheckTokens, CheckIndices), or the room does not hold the chunk or its edit table.
  void Fill(const Chunk& chunk, const PackedTokens& tokens, const at::Tensor& edit_table);

  // Whether there is room for it.
  bool Fits(const at::Tensor& edit_table) const;

  TokenTables tokens() const;
  // Of layer `index` of the chunk.
  LayerTables At(size_t index) const;
  // What edits name the entries of: in the same place at each Fill.
  const at::Tensor& edit_table() const { return edit_table_; }
  // What the block and a table of its own take.
  int64_t bytes() const;

 private:
  const GptConfig& config_;
  PassDevice on_;
  at::Tensor edit_table_;  // [E, Dh], or undefined
  // Without a block.
  TokenTables host_tokens_;
  std::vector<HostTables> host_;  // [layers]
  // With one.
  std::optional<PassLayout> layout_;
  at::Tensor block_;  // [bytes] uint8
};

}  // namespace ablate
