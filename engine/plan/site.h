// Sites, edits and variants: the vocabulary of an ablation (docs/design.md). Pure values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ablate {

// One head's output at one layer before `c_proj`. 0-based.
struct Site {
  int32_t layer = 0;
  int32_t head = 0;
  auto operator<=>(const Site&) const = default;
};

// `L5H3`.
std::string Label(const Site& site);

// Accepts `L5H3`, `5.3`, `A5.3` and `a5.h3`, in any case. InvalidArgument names the text and the forms.
absl::StatusOr<Site> ParseSite(std::string_view text);

// Half-open range of positions, 0-based. The default covers every prompt.
struct PositionRange {
  int32_t begin = 0;
  int32_t end = INT32_MAX;
  auto operator<=>(const PositionRange&) const = default;
};

// z' = scale * z + table[entry] at `site`, at the positions of `positions`.
// scale 0 without entry is zero ablation.
struct Edit {
  Site site;
  PositionRange positions = {};
  float scale = 0.0F;
  // Row of the edit table `[E, Dh]`; -1 adds nothing.
  int32_t entry = -1;
  auto operator<=>(const Edit&) const = default;
};

// A counterfactual run: edits sorted by (site, positions); edits of one site do not overlap in positions.
// The empty variant is the baseline.
struct Variant {
  std::vector<Edit> edits;
  bool operator==(const Variant&) const = default;
};

// Distinct sites in layer-head order joined with `+`, e.g. `L0H1+L2H3`; `baseline` for the empty variant.
std::string Label(const Variant& variant);

}  // namespace ablate
