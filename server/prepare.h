// From the wire to scans: an AblateRequest checked, tokenised, swept and priced. Nothing here touches a device.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"

namespace ablate {

// The most that one request may ask for, whenever it is sent.
struct RequestLimits {
  // Packed tokens x layers.
  int64_t cost = 1'000'000'000;
  // Tokens of all prompts or texts together. With 144 heads swept, a million of GPT-2 Small's cost as much as the
  // above.
  int64_t tokens = 1'000'000;
};

// One prompt of a request, without the variants that all of them share.
struct PreparedPrompt {
  // [T]
  std::vector<int32_t> token_ids;
  // -1: none.
  int32_t target_id = -1;
  int32_t contrast_id = -1;
  // Packed tokens x layers.
  int64_t cost = 0;
};

struct PreparedRequest {
  std::vector<PreparedPrompt> prompts;
  std::vector<Variant> variants;
  int32_t top_k = 0;
  int64_t cost = 0;

  // A prompt's rows: its baseline and one for each variant.
  int64_t rows_per_prompt() const { return 1 + static_cast<int64_t>(variants.size()); }
  int64_t total_rows() const { return static_cast<int64_t>(prompts.size()) * rows_per_prompt(); }
  // The scan of a prompt. Made when its turn comes: the variants of 100,000 prompts would fill the memory.
  Scan MakeScan(size_t prompt) const;
};

// Checks everything before any work is done. INVALID_ARGUMENT names the field; RESOURCE_EXHAUSTED where the request
// exceeds `limits`. `go_on` is asked before each prompt, since 100,000 of them take seconds: its error ends the work
// and is returned. Thread-safe.
absl::StatusOr<PreparedRequest> Prepare(const ablation::v1::AblateRequest& request, const Engine& engine,
                                        const RequestLimits& limits, const std::function<absl::Status()>& go_on);

}  // namespace ablate
