// The columns whose error is measured: every number of the contract's RowBlock that has one.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/types.h"

namespace ablate {

struct Column {
  // RowBlock's.
  absl::string_view name;
  // A change from the unedited run, which has none itself.
  bool is_change = false;
  // Where the engine has it; null: in `target_rank`, the only whole number.
  std::vector<double> ReadoutBlock::* value = nullptr;
  // What is taken away from it, as the server does where it makes the column.
  std::vector<double> ReadoutBlock::* minus = nullptr;
};

// One number a row, in the order of ReadColumns. RowBlock's `interaction` and `top_k_logprob` come behind, since they
// have none or several a row (MeasuredColumns); `normalized` is a ratio whose error depends on its denominator.
absl::Span<const Column> RowColumns();

// Names of all that is measured.
std::vector<absl::string_view> MeasuredColumns();
inline constexpr absl::string_view kInteraction = "interaction";
inline constexpr absl::string_view kTopKLogprob = "top_k_logprob";
// The column that heads are ranked by, and that interactions are about: its index in RowColumns.
size_t DeltaLogitDiffColumn();

// Row `row` of a block, one value for each of RowColumns. Internal names a column that is absent or of another length.
absl::StatusOr<std::vector<double>> ReadColumns(const ReadoutBlock& block, size_t row);

}  // namespace ablate
