// Checks that a stream of scan results is whole: in the contract's order, nothing missing, nothing twice, nothing that
// is no number.
#pragma once

#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"

namespace ablate::client {

// Errors are Internal (the server broke the contract) or DataLoss (the stream ended too early).
class StreamCheck {
 public:
  // `n_prompts` and `top_k` as the request has them.
  StreamCheck(int64_t n_prompts, int32_t top_k) : n_prompts_(n_prompts), top_k_(top_k) {}

  absl::Status Take(const ablation::v1::AblateResponse& response);
  // After the stream ended well.
  absl::Status End() const;

 private:
  absl::Status TakeManifest(const ablation::v1::Manifest& manifest);
  absl::Status TakeVariants(const ablation::v1::VariantBlock& block);
  absl::Status TakePrompts(const ablation::v1::PromptBlock& block);
  absl::Status TakeRows(const ablation::v1::RowBlock& block);
  absl::Status TakeCompletion(const ablation::v1::Completion& completion);

  const int64_t n_prompts_;
  const int32_t top_k_;
  bool has_manifest_ = false;
  bool completed_ = false;
  // As the manifest announces them, and those that have come.
  int64_t n_variants_ = 0;
  int64_t variants_ = 0;
  int64_t prompts_ = 0;
  int64_t rows_a_prompt_ = 0;
  int64_t total_rows_ = 0;
  int64_t rows_ = 0;
  // [n_prompts * rows_a_prompt], whether the row has come; empty before the first row.
  std::vector<bool> seen_;
};

}  // namespace ablate::client
