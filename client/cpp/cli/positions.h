// Positions as people write them: `all`, `last`, `0,3,-1`, `2:5`.
#pragma once

#include <optional>

#include "ablation/v1/experiment.pb.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ablate::cli {

// `all` is nothing. Else single positions and Python's slices `begin:end`, whose ends may be left out, joined with
// commas; `last` is -1. Negative ones count from the prompt's end. InvalidArgument names `option` and the part that is
// wrong.
absl::StatusOr<std::optional<ablation::v1::Positions>> ParsePositions(absl::string_view option, absl::string_view text);

}  // namespace ablate::cli
