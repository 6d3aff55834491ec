// Rows on their way to the wire: the engine's columns, and those that only the server knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engine/types.h"
#include "server/prepare.h"

namespace ablate {

// Rows of one prompt. All vectors have one entry a row, or are empty where the column is absent.
struct WireRows {
  // `variant` as the contract numbers variants; what compares runs refers to the run that the contract names
  // (scan.proto, RowBlock). No `compensation_*`, which are messages of their own; `kl_from_donor` means nothing here.
  ReadoutBlock values;
  // -1 in unedited runs.
  std::vector<int32_t> replacement, edit_position;
  std::vector<double> kl_to_clean, normalized, interaction;

  size_t size() const { return values.variant.size(); }
  bool empty() const { return values.variant.empty(); }
};

// InvalidArgument names the first column that has neither no entries nor as many as there are rows. `L x H` and L
// entries a row are expected of the compensation's.
absl::Status CheckColumns(const ReadoutBlock& block, ModelShape shape);

// A number of a block that is NaN or infinite, which the contract has nowhere in rows.
struct NotFinite {
  absl::string_view column;
  size_t row = 0;
  double value = 0;
};

// The first one; nullopt: there is none. CheckColumns has passed the block.
std::optional<NotFinite> FindNotFinite(const ReadoutBlock& block);

// Appends row `row` of `from`, whose columns CheckColumns has passed, without what compensates.
void AppendRow(const ReadoutBlock& from, size_t row, ReadoutBlock& to);
void AppendRow(const WireRows& from, size_t row, WireRows& to);

// The primary metric's level and delta; null where there is none, empty where the block lacks them.
const std::vector<double>* PrimaryLevel(const ReadoutBlock& block, PrimaryMetric primary);
const std::vector<double>* PrimaryDelta(const ReadoutBlock& block, PrimaryMetric primary);
// Name of the level's column in RowBlock; empty: none.
absl::string_view PrimaryName(PrimaryMetric primary);

// Of rows of one entry each: makes the deltas of `to` those of `from` with the other sign, or nothing.
void NegateDeltas(const ReadoutBlock& from, ReadoutBlock& to);
void ZeroDeltas(ReadoutBlock& row);

}  // namespace ablate
