// The index tables of a whole forward pass in one block of bytes, so that one copy brings them to a GPU, and a recorded
// pass finds those of the next chunk where it found the last one's. No torch header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/plan/pass_shape.h"
#include "engine/plan/plan.h"
#include "engine/types.h"
#include "kernels/attend.h"
#include "kernels/fan_out.h"

namespace ablate {

// Which rows our attention kernel takes on a GPU; the others go to ATen's (attend_composed.h).
struct OwnAttention {
  // Rows that end at this position or before.
  int32_t longest = INT32_MAX;
  // Rows of at most so many tokens of their own, however long their prompt: ATen's computes every position of it.
  int32_t most_tokens = 0;

  bool Takes(int32_t begin, int32_t end) const { return end <= longest || end - begin <= most_tokens; }
};

// The tables of one layer, in whichever memory; kernels/attend.h and kernels/fan_out.h tell what they hold.
struct LayerTables {
  const kernels::AttendRow* attend_rows = nullptr;  // [n_attend_rows]
  int64_t n_attend_rows = 0;
  const int32_t* source_token = nullptr;     // [M]
  const int32_t* position = nullptr;         // [M]
  const int32_t* row = nullptr;              // [M]
  const int32_t* row_edit_begin = nullptr;   // [R + 1]
  const kernels::HeadEdit* edits = nullptr;  // [the last of row_edit_begin]
  int64_t tokens_in = 0, tokens_out = 0;     // N, M
  // On a GPU: which rows attend_rows are; the others have no tokens there.
  OwnAttention own_attention = {};
};

// What is embedded: N tokens of the first layer, in whichever memory.
struct TokenTables {
  const int32_t* ids = nullptr;
  const int32_t* positions = nullptr;
  int64_t n = 0;
};

// The same as vectors; empty where the pass begins behind the first layer.
struct PackedTokens {
  std::vector<int32_t> ids, positions;

  TokenTables tables() const { return {ids.data(), positions.data(), static_cast<int64_t>(ids.size())}; }
};

// Of a chunk of these scans.
PackedTokens PackTokens(const Chunk& chunk, absl::Span<const Scan> scans);

// One layer's tables on the host without a copy of what the plan has in this form: it must outlive them.
class HostTables {
 public:
  explicit HostTables(const LayerPlan& plan);
  HostTables(HostTables&&) = default;
  HostTables& operator=(HostTables&&) = delete;

  const LayerTables& tables() const { return tables_; }
  const LayerPlan& plan() const { return plan_; }

 private:
  const LayerPlan& plan_;
  std::vector<kernels::AttendRow> attend_rows_;
  std::vector<kernels::HeadEdit> edits_;
  LayerTables tables_;
};

// Where the tables lie in the block of a pass with `room`.
class PassLayout {
 public:
  explicit PassLayout(PassShape room);

  const PassShape& room() const { return room_; }
  size_t bytes() const { return bytes_; }

  // The tables of a chunk, whose shape the room holds, one of `layers` each. Rows behind the chunk's have no token, and
  // tokens behind them no edit: they copy the first, or are the first of the vocabulary, so that a kernel that runs
  // over all of the room changes nothing that is read. Of the rows only those that `own` takes become attend_rows.
  // `block` is `bytes()` long and aligned to 16 bytes; all of it that is read is written.
  void Write(absl::Span<const HostTables> layers, const PackedTokens& tokens, OwnAttention own,
             absl::Span<std::byte> block) const;

  // For a block that begins at `base`: all of the room.
  TokenTables TokensAt(const std::byte* base) const;

  // The same, of layer `index` of the chunk.
  LayerTables At(const std::byte* base, size_t index) const;

 private:
  struct Places {
    size_t attend_rows, source_token, position, row, row_edit_begin, edits;
  };

  template <typename T>
  size_t Place(int64_t count);

  PassShape room_;
  size_t ids_ = 0, positions_ = 0;
  std::vector<Places> places_;
  size_t bytes_ = 0;
};

// Empty, or what of the tokens or the plan would have a kernel read or write beyond its tensors. `n_entries`: E of the
// edit table.
std::string CheckTokens(const PackedTokens& tokens, int64_t vocab_size, int64_t n_positions);
std::string CheckIndices(const HostTables& layer, int32_t n_heads, int64_t n_entries);

}  // namespace ablate
