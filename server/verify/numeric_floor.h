// What rounding may do to a result: the figures that `ablated verify` measures and every manifest carries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace ablate {

// How far one column is from float64; the contract's NumericFloor.
struct NumericFloor {
  // Of the contract's RowBlock, e.g. `delta_logit_diff`.
  std::string column;
  // Length of the prompts that it was measured on.
  int32_t n_tokens = 0;
  // 99.9th percentile of the absolute error, in the column's unit; finite, >= 0.
  double floor = 0;
  bool operator==(const NumericFloor&) const = default;
};

// What counts for a column of a prompt of `n_tokens`: the shortest length that is not shorter, else the longest.
// Nothing where the column was not measured.
std::optional<double> FloorOf(absl::Span<const NumericFloor> floors, std::string_view column, int32_t n_tokens);

}  // namespace ablate
