// A request's statistics over its prompts, as messages.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "server/delta_table.h"
#include "server/selection.h"
#include "server/verify/numeric_floor.h"

namespace ablate {

struct SummaryRequest {
  ablation::v1::SummaryOptions options;
  // Prompts that are estimated on, rising.
  std::vector<int32_t> estimates;
  // The sites were chosen on them too.
  bool selected_in_sample = false;
  // Too many entries for flips: a t test.
  bool is_over_pairs = false;
  // `all_but`: there is a faithfulness.
  bool keeps_sets = false;
  // Measured; empty: nothing is under a floor.
  std::vector<NumericFloor> floors;
};

// Of a request. `split`: of the sweep that chose its sites; nullopt: none ran.
SummaryRequest SummaryOf(const ablation::v1::AblateRequest& request, const std::optional<PromptSplit>& split,
                         const std::vector<NumericFloor>& floors);

// One summary head and its blocks of at most about 256 KiB. Takes seconds, and minutes at its limits: not for the
// device's thread. `go_on` is asked now and then; its error ends the work and is returned.
absl::StatusOr<std::vector<ablation::v1::AblateResponse>> MakeSummary(const DeltaTable& deltas,
                                                                      const SummaryRequest& request,
                                                                      const std::function<absl::Status()>& go_on);

}  // namespace ablate
