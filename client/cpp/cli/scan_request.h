// The options of `ablate scan` that say what to compute, and the request made of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"

namespace ablate::cli {

struct ScanRequestOptions {
  std::optional<std::string> prompt, target, contrast;
  std::optional<int32_t> target_id, contrast_id;
  std::string prompts_file;
  std::string layers, heads;
  int32_t top_k = 0;
  bool prepend_bos = false;
};

struct ScanRequest {
  ablation::v1::AblateRequest request;
  // `FILE, line N` for each prompt of a file, to name it in errors; empty for --prompt.
  std::vector<std::string> origins;
};

// InvalidArgument names the option, or the file and line, at fault. Reads the prompts file.
absl::StatusOr<ScanRequest> MakeScanRequest(const ScanRequestOptions& options);

// Adds where a prompt came from to an error about `prompts[N]`.
absl::Status NameOrigin(const absl::Status& status, const ScanRequest& request);

}  // namespace ablate::cli
