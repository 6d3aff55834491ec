// Checks that a stream of scan results is whole: in the contract's order, nothing missing, nothing twice, nothing that
// is no number.
#pragma once

#include <cstdint>

#include "ablation/v1/jobs.pb.h"
#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "client/cpp/block_check.h"
#include "client/cpp/once_each.h"
#include "client/cpp/row_space.h"

namespace ablate::client {

// Errors are Internal (the server broke the contract) or DataLoss (the stream ended too early).
class StreamCheck {
 public:
  explicit StreamCheck(const ablation::v1::AblateRequest& request);
  // Of a job, whose request nobody has: its manifest tells what was asked for, and EndOfJob what must have come.
  // `from_start`: no result before the first was left out.
  StreamCheck(const ablation::v1::Job& job, bool from_start);

  absl::Status Take(const ablation::v1::AblateResponse& response);
  // After the stream ended well.
  absl::Status End() const;
  // Of a job, as it is behind the last result taken: one that succeeded is whole, one that is partial but for the
  // prompts that were skipped.
  absl::Status EndOfJob(const ablation::v1::Job& job) const;

 private:
  // What the request would have told.
  void ReadRequest(const ablation::v1::Manifest& manifest);
  absl::Status CheckPromptOfJob(int64_t prompt, bool is_skipped) const;
  absl::Status TakeManifest(const ablation::v1::Manifest& manifest);
  // The prompts that chose sites: each of the request's at most once, and not all of them.
  absl::Status CheckSelection(const ablation::v1::Selection& selection) const;
  absl::Status TakeVariants(const ablation::v1::VariantBlock& block);
  absl::Status TakePrompts(const ablation::v1::PromptBlock& block);
  absl::Status TakeRows(const ablation::v1::RowBlock& block);
  absl::Status TakeLikelihood(const ablation::v1::LikelihoodBlock& block);
  absl::Status TakeCompensation(const ablation::v1::CompensationBlock& block);
  absl::Status TakeSummaryHead();
  absl::Status TakeSummary(const ablation::v1::SummaryBlock& block);
  absl::Status TakeCompletion(const ablation::v1::Completion& completion);
  absl::Status TakeCompletionOfJob(const ablation::v1::Completion& completion);
  // Whether all variants and prompts have come, which results must stand behind.
  absl::Status CheckBehindHead(const char* what) const;

  // Not of a request's stream, but of a stored job's.
  const bool is_job_ = false;
  const bool from_start_ = true;
  // Of the request.
  const int64_t n_prompts_;
  int32_t n_replacements_ = 0;
  bool sweeps_positions_ = false;
  bool wants_likelihood_ = false, wants_compensation_ = false, wants_summary_ = false;

  BlockSizes sizes_;
  RowSpace space_;
  bool has_manifest_ = false;
  bool has_summary_ = false;
  bool completed_ = false;
  // As the manifest announces them, and those that have come.
  int64_t n_variants_ = 0;
  int64_t total_rows_ = 0;
  int64_t variants_ = 0;
  int64_t likelihood_runs_ = 0, compensation_rows_ = 0;  // that must come
  OnceEach rows_, likelihood_, compensation_, summary_;
};

}  // namespace ablate::client
