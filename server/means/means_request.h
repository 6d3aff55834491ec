// From the wire to the runs that a mean library is made of: a ComputeMeansRequest checked, tokenised and priced.
// Nothing here touches a device.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ablation/v1/means.pb.h"
#include "absl/status/statusor.h"
#include "server/means/mean_accumulator.h"
#include "server/prepare.h"

namespace ablate {

struct PreparedMeans {
  // One prompt, with one unit and no variant, for each run: of each prompt of the data set the clean one, then the
  // corrupted one, as far as options.source takes them.
  std::shared_ptr<const PreparedRequest> runs;
  // For each run: the group of its means, and the data set's prompt that it comes from.
  std::vector<int32_t> group_of_run;
  std::vector<int32_t> prompt_of_run;
  MeanAccumulatorOptions sums;
  // What MeanBytes() says of the sums.
  int64_t bytes = 0;
  // Whole, but for `created_unix_ms` and `size_bytes`.
  ablation::v1::MeanLibrary info;
};

// The options with their defaults filled in. INVALID_ARGUMENT names the field below `options`.
absl::StatusOr<ablation::v1::MeanOptions> WithDefaults(const ablation::v1::MeanOptions& options);

// Errors as Prepare's (server/prepare.h). Thread-safe.
absl::StatusOr<PreparedMeans> PrepareMeans(const ablation::v1::ComputeMeansRequest& request,
                                           const PrepareContext& context);

}  // namespace ablate
