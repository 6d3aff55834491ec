// Rows as messages.
#pragma once

#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "engine/model/tokenizer.h"
#include "server/prepare.h"
#include "server/wire_rows.h"

namespace ablate {

// A block is closed before it would exceed this; only one that holds a single entry may.
inline constexpr size_t kBlockBytes = 256 * 1024;

// Columns that a request has or has not as a whole.
struct RowFormat {
  bool has_replacement = false;
  bool has_edit_position = false;

  static RowFormat Of(const PreparedRequest& prepared);
};

// The prompt's rows as messages of at most kBlockBytes each, so that none exceeds what clients accept by default.
std::vector<ablation::v1::RowBlock> MakeRowBlocks(const WireRows& rows, int32_t prompt_index, const RowFormat& format,
                                                  const Tokenizer& tokenizer);

// Bytes that one row takes in a message, at most, rounded up.
int64_t RowBytes(int32_t top_k);

// Most that one prompt may produce: where its reader is slow, all of it waits in memory.
inline constexpr int64_t kMaxResultBytes = int64_t{4} << 30;

// Bytes of all that one prompt's scans produce: what buffers are counted in.
int64_t ResultBytes(const PreparedRequest& prepared, size_t prompt);
int64_t TotalResultBytes(const PreparedRequest& prepared);

}  // namespace ablate
