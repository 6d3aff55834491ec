// Sites, edits and variants: the vocabulary of an ablation (docs/design.md). Pure values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ablate {

// One head's output at one layer before `c_proj`. 0-based.
struct Site {
  int32_t layer = 0;
  int32_t head = 0;
  auto operator<=>(const Site&) const = default;
};

// Layers and heads of a model: sites are (0 .. n_layers - 1, 0 .. n_heads - 1).
struct ModelShape {
  int32_t n_layers = 0;
  int32_t n_heads = 0;
};

// `L5H3`.
std::string Label(const Site& site);

// The sites' labels in layer-head order joined with `+`, e.g. `L0H1+L2H3`; a whole layer is `L3H*`. `sites` are in
// layer-head order, each once.
std::string Label(absl::Span<const Site> sites, ModelShape shape);

// Accepts `L5H3`, `5.3`, `A5.3` and `a5.h3`, in any case. InvalidArgument names the text and the forms.
absl::StatusOr<Site> ParseSite(std::string_view text);

// A site in one of these forms, or a pattern in which `*` stands for all layers or all heads (`L9H*`, `*.3`): the sites
// that it names, in layer-head order. InvalidArgument names the text, and what the model has where a site is out of
// range.
absl::StatusOr<std::vector<Site>> ParseSitePattern(std::string_view text, ModelShape shape);

// Half-open range of positions, 0-based. The default covers every prompt.
struct PositionRange {
  int32_t begin = 0;
  int32_t end = INT32_MAX;
  auto operator<=>(const PositionRange&) const = default;
};

// z' = scale * z + table[entry + entry_stride * position] at `site`, at the positions of `positions`.
// scale 0 without entry is zero ablation; scale 1 from the donor is a patch.
struct Edit {
  Site site;
  PositionRange positions = {};
  float scale = 0.0F;
  // Row of the scan's edit table `[E, Dh]`; -1 adds nothing.
  int32_t entry = -1;
  // 1: a row of the table for each position, `entry` is position 0's; 0: the same row for all.
  int32_t entry_stride = 0;
  // z is that of the donor's unedited run at the same site and position, not the row's own.
  bool from_donor = false;
  auto operator<=>(const Edit&) const = default;
};

// A counterfactual run: edits sorted by (site, positions); edits of one site do not overlap in positions.
// The empty variant is the baseline.
struct Variant {
  std::vector<Edit> edits;
  bool operator==(const Variant&) const = default;
};

// Variants of a scan that are not in its list: the unedited runs of the prompt and of its donor.
inline constexpr int32_t kBaselineVariant = -1;
inline constexpr int32_t kDonorVariant = -2;

}  // namespace ablate
