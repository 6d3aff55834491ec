// Which rows, where, effects are measured of: index tables, no tensor.
//
// A *cell* is one edited row at one read position of a scan that asks for effects. A *read* is a read position of such
// a scan: K in all, the scans' one after the other.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/plan/plan.h"
#include "engine/types.h"

namespace ablate {

// Cells of the rows that leave a layer.
struct EffectCells {
  // Of each outgoing row: its first cell (-1: none) and which of its scan's read positions that is for; its cells are
  // consecutive.
  std::vector<int32_t> first_cell, first_read;
  std::vector<uint8_t> is_unedited;
  // Of each cell: the outgoing token, the read, 0 .. K - 1.
  std::vector<int64_t> token, read;
  std::vector<int64_t> parent;  // cell of the layer before, + 1; 0: the unedited run
  std::vector<uint8_t> edited;  // [C, H]: heads that this layer edits at this position
  // [K], the unedited runs' outgoing tokens.
  std::vector<int64_t> unedited_token;
};

struct EffectReads {
  absl::Span<const Scan> scans;
  // [scans]: its first read; -1: no effects.
  const std::vector<int64_t>& first_read;
  int64_t n_reads = 0;  // K
  int32_t n_heads = 0;  // H
};

// `before` is of the layer before; empty ahead of the first one.
EffectCells FindCells(const LayerPlan& plan, const EffectCells& before, const EffectReads& reads);

}  // namespace ablate
