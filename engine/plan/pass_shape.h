// How large the launches of a forward pass are: what a recorded pass (CUDA graph) can be used again for.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "engine/plan/plan.h"

namespace ablate {

// One layer's.
struct LayerShape {
  // Packed tokens that enter and leave, with their pad rows: N and M.
  int64_t tokens_in = 0, tokens_out = 0;
  // Rows that enter and leave.
  int64_t rows_in = 0, rows_out = 0;
  int64_t edits = 0;
  auto operator<=>(const LayerShape&) const = default;
};

struct PassShape {
  std::vector<LayerShape> layers;
  auto operator<=>(const PassShape&) const = default;

  // Tokens that enter and leave, summed over the layers: what a pass of this shape costs.
  int64_t tokens() const;
};

// Token counts are rounded up to `row_multiple`.
PassShape ShapeOf(const Chunk& chunk, int64_t row_multiple);

// The shape and a sixteenth more of everything, rounded up to multiples of 16: for passes whose layers differ a little
// from this one's.
PassShape RoomFor(const PassShape& shape);

// Whether what needs `need` can run in `room`.
bool Holds(const PassShape& room, const PassShape& need);

}  // namespace ablate
