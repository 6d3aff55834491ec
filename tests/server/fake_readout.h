// What FakeEngine reads out of its sums.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/types.h"

namespace ablate {

// A run of a scan at one of its read positions.
struct FakeRow {
  int32_t variant = kBaselineVariant;
  size_t read = 0;
};

// All of a scan's: the baseline, the donor, the variants.
std::vector<FakeRow> FakeRows(const Scan& scan);

// Their readouts. Answer sets make the mean of their tokens' numbers, whatever the reduction says.
ReadoutBlock FakeReadout(const Scan& scan, absl::Span<const FakeRow> rows);

}  // namespace ablate
