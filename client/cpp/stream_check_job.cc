// What is other in the results of a stored job: prompts may have been skipped, and the job may not have ended.
#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/stream_check.h"

namespace ablate::client {
namespace {

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat("the server broke the contract: ", parts...));
}

}  // namespace

StreamCheck::StreamCheck(const ablation::v1::Job& job, bool from_start)
    : is_job_(true), from_start_(from_start), n_prompts_(job.n_prompts()) {}

void StreamCheck::ReadRequest(const ablation::v1::Manifest& manifest) {
  const auto& replacements = manifest.replacements();
  n_replacements_ = std::max(1, replacements.size());
  sweeps_positions_ = manifest.edit_positions().each();
  wants_likelihood_ = manifest.readout().likelihood();
  wants_compensation_ = manifest.readout().compensation();
  // Whether there is one, its head tells.
  wants_summary_ = true;
  sizes_.top_k = manifest.readout().top_k();
  sizes_.has_effects = manifest.readout().effects();
  sizes_.has_pairs = std::any_of(replacements.begin(), replacements.end(), [](auto& r) { return r.has_resample(); });
  sizes_.n_replacements = n_replacements_;
  sizes_.sweeps_positions = sweeps_positions_;
}

absl::Status StreamCheck::TakeCompletionOfJob(const ablation::v1::Completion& completion) {
  if (from_start_ && completion.rows() != rows_.count()) {
    return Broken("the completion counts ", completion.rows(), " rows, ", rows_.count(), " came");
  }
  const int64_t entries = has_summary_ ? space_.edited_rows_of(0) : 0;
  if (summary_.count() != entries) {
    return Broken("the completion came after ", summary_.count(), " of the summary's ", entries, " entries");
  }
  completed_ = true;
  return absl::OkStatus();
}

absl::Status StreamCheck::CheckPromptOfJob(int64_t prompt, bool is_skipped) const {
  struct Kind {
    const char* name;
    int64_t came, expected;
  };
  const Kind kinds[] = {
      {"rows", rows_.count_of(prompt), space_.rows_of(prompt)},
      {"likelihoods", likelihood_.count_of(prompt), wants_likelihood_ ? space_.runs_of(prompt) : 0},
      {"compensations", compensation_.count_of(prompt), wants_compensation_ ? space_.edited_rows_of(prompt) : 0}};
  for (const Kind& kind : kinds) {
    const int64_t expected = is_skipped ? 0 : kind.expected;
    if (kind.came == expected) continue;
    return Broken("the job's results have ", kind.came, " ", kind.name, " of prompt ", prompt, ", expected ", expected,
                  is_skipped ? ": the job says that it was skipped" : "");
  }
  return absl::OkStatus();
}

absl::Status StreamCheck::EndOfJob(const ablation::v1::Job& job) const {
  const bool is_done =
      job.state() == ablation::v1::JOB_STATE_SUCCEEDED || job.state() == ablation::v1::JOB_STATE_PARTIAL;
  if (!is_done) {
    return completed_ ? Broken("a completion came of a job that did not succeed") : absl::OkStatus();
  }
  if (!from_start_) return absl::OkStatus();
  if (!completed_) {
    return absl::DataLossError(absl::StrCat("incomplete: the job's results ended after ", rows_.count(), " of ",
                                            has_manifest_ ? absl::StrCat(total_rows_) : "an unknown number of",
                                            " rows, without their completion"));
  }
  absl::flat_hash_set<int64_t> skipped;
  for (const auto& prompt : job.skipped_prompts()) skipped.insert(prompt.prompt_index());
  if (skipped.empty() == (job.state() == ablation::v1::JOB_STATE_PARTIAL)) {
    return Broken("the job is said to be ", skipped.empty() ? "partial" : "whole", ", and ", skipped.size(),
                  " of its prompts to be skipped");
  }
  for (int64_t p = 0; p < n_prompts_; ++p) {
    if (auto status = CheckPromptOfJob(p, skipped.contains(p)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace ablate::client
