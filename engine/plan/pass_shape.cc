#include "engine/plan/pass_shape.h"

#include <algorithm>

namespace ablate {
namespace {

constexpr int64_t kMultiple = 16, kSlack = 16;

int64_t RoundedTo(int64_t size, int64_t multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

}  // namespace

int64_t PassShape::tokens() const {
  int64_t sum = 0;
  for (const LayerShape& layer : layers) sum += layer.tokens_in + layer.tokens_out;
  return sum;
}

PassShape ShapeOf(const Chunk& chunk, int64_t row_multiple) {
  PassShape shape;
  shape.layers.reserve(chunk.layers.size());
  for (const LayerPlan& plan : chunk.layers) {
    shape.layers.push_back({.tokens_in = RoundedTo(plan.n_tokens_in, row_multiple),
                            .tokens_out = RoundedTo(static_cast<int64_t>(plan.source_token.size()), row_multiple),
                            .rows_in = static_cast<int64_t>(plan.rows.size()),
                            .rows_out = static_cast<int64_t>(plan.parent.size()),
                            .edits = static_cast<int64_t>(plan.row_edits.size())});
  }
  return shape;
}

PassShape RoomFor(const PassShape& shape) {
  PassShape room = shape;
  for (LayerShape& layer : room.layers) {
    for (int64_t* size : {&layer.tokens_in, &layer.tokens_out, &layer.rows_in, &layer.rows_out, &layer.edits}) {
      *size = RoundedTo(*size + *size / kSlack, kMultiple);
    }
  }
  return room;
}

bool Holds(const PassShape& room, const PassShape& need) {
  return std::equal(room.layers.begin(), room.layers.end(), need.layers.begin(), need.layers.end(),
                    [](const LayerShape& a, const LayerShape& b) {
                      return a.tokens_in >= b.tokens_in && a.tokens_out >= b.tokens_out && a.rows_in >= b.rows_in &&
                             a.rows_out >= b.rows_out && a.edits >= b.edits;
                    });
}

}  // namespace ablate
