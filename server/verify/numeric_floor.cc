#include "server/verify/numeric_floor.h"

namespace ablate {

std::optional<double> FloorOf(absl::Span<const NumericFloor> floors, std::string_view column, int32_t n_tokens) {
  const NumericFloor* best = nullptr;
  for (const NumericFloor& floor : floors) {
    if (floor.column != column) continue;
    const bool covers = floor.n_tokens >= n_tokens;
    const bool best_covers = best != nullptr && best->n_tokens >= n_tokens;
    const bool is_better =
        best == nullptr || (covers && !best_covers) ||
        (covers == best_covers && (covers ? floor.n_tokens < best->n_tokens : floor.n_tokens > best->n_tokens));
    if (is_better) best = &floor;
  }
  return best == nullptr ? std::nullopt : std::optional(best->floor);
}

}  // namespace ablate
