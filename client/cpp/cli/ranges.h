// Lists of layers and heads as people write them: `0-11`, `0,3,5-7`.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ablate::cli {

// Numbers 0 .. 9999 in the order written. InvalidArgument names `option` and the part that is wrong: no number, a range
// that falls, a number named twice.
absl::StatusOr<std::vector<int32_t>> ParseRanges(absl::string_view option, absl::string_view text);

}  // namespace ablate::cli
