// A request's statistics over its prompts, as messages.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "ablation/v1/model.pb.h"
#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "server/delta_table.h"

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
  std::vector<ablation::v1::NumericFloor> floors;
};

// What has been measured of this device and precision; empty: nothing.
std::vector<ablation::v1::NumericFloor> NumericFloors(const EngineInfo& info);

// The floor of a column for prompts of `n_tokens` tokens, as NumericFloor says; 0 where nothing was measured.
double FloorOf(const std::vector<ablation::v1::NumericFloor>& floors, absl::string_view column, int32_t n_tokens);

// One summary head and its blocks of at most about 256 KiB. Takes up to seconds: not for the device's thread. `go_on` is
// asked now and then; its error ends the work and is returned.
absl::StatusOr<std::vector<ablation::v1::AblateResponse>> MakeSummary(const DeltaTable& deltas,
                                                                      const SummaryRequest& request,
                                                                      const std::function<absl::Status()>& go_on);

}  // namespace ablate
