// What makes two mean libraries the same: the hashes that are their keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ablation/v1/means.pb.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ablate {

// One prompt of a data set as its hash sees it: only what goes into the means.
struct MeanPrompt {
  std::string template_name;
  // [T] each, BOS included where it was put in front; empty: not part of the data set.
  std::vector<int32_t> clean_ids;
  std::vector<int32_t> corrupted_ids;
};

// `MeanLibrary.data_sha256`. Every part goes in behind its length, so that no two data sets give the same bytes.
// Internal where there is no SHA-256.
absl::StatusOr<std::string> HashMeanData(absl::Span<const MeanPrompt> prompts);

// `MeanLibrary.id`, from its `weights_sha256`, `options` and `data_sha256`, and from its `precision` where that is
// below float32.
absl::StatusOr<std::string> MakeMeanLibraryId(const ablation::v1::MeanLibrary& info);

// 32 lower-case hex digits. What is none never becomes a part of a path.
bool IsMeanLibraryId(absl::string_view text);

}  // namespace ablate
