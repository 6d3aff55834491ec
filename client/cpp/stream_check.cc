#include "client/cpp/stream_check.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace ablate::client {
namespace {

using ablation::v1::AblateResponse;
using ablation::v1::RowBlock;

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat("the server broke the contract: ", parts...));
}

std::string Name(int64_t prompt, const RunKey& key) {
  std::string name = absl::StrCat("prompt ", prompt, ", variant ", key.variant);
  if (key.replacement > 0) absl::StrAppend(&name, ", replacement ", key.replacement);
  if (key.edit_position >= 0) absl::StrAppend(&name, ", edit position ", key.edit_position);
  return name;
}

}  // namespace

StreamCheck::StreamCheck(const ablation::v1::AblateRequest& request)
    : n_prompts_(request.prompts_size()),
      n_replacements_(std::max(1, request.replacements_size())),
      sweeps_positions_(request.edit_positions().each()),
      wants_likelihood_(request.readout().likelihood()),
      wants_compensation_(request.readout().compensation()),
      wants_summary_(request.has_summary()) {
  const auto& replacements = request.replacements();
  sizes_.top_k = request.readout().top_k();
  sizes_.has_effects = request.readout().effects();
  sizes_.has_pairs = std::any_of(replacements.begin(), replacements.end(), [](auto& r) { return r.has_resample(); });
  sizes_.n_replacements = n_replacements_;
  sizes_.sweeps_positions = sweeps_positions_;
}

absl::Status StreamCheck::Take(const AblateResponse& response) {
  if (completed_) return Broken("a message came after the completion");
  if (response.has_manifest()) return TakeManifest(response.manifest());
  if (!has_manifest_) return Broken("the stream does not begin with a manifest");
  switch (response.payload_case()) {
    case AblateResponse::kVariantBlock:
      return TakeVariants(response.variant_block());
    case AblateResponse::kPromptBlock:
      return TakePrompts(response.prompt_block());
    case AblateResponse::kRowBlock:
      return TakeRows(response.row_block());
    case AblateResponse::kLikelihoodBlock:
      return TakeLikelihood(response.likelihood_block());
    case AblateResponse::kCompensationBlock:
      return TakeCompensation(response.compensation_block());
    case AblateResponse::kSummaryHead:
      return TakeSummaryHead();
    case AblateResponse::kSummaryBlock:
      return TakeSummary(response.summary_block());
    case AblateResponse::kCompletion:
      return TakeCompletion(response.completion());
    default:
      return absl::OkStatus();  // a payload of a newer contract, which clients pass over
  }
}

absl::Status StreamCheck::TakeManifest(const ablation::v1::Manifest& manifest) {
  if (has_manifest_) return Broken("a second manifest came");
  has_manifest_ = true;
  if (is_job_) ReadRequest(manifest);
  n_variants_ = manifest.n_variants();
  total_rows_ = manifest.total_rows();
  if (manifest.n_prompts() != n_prompts_) {
    return Broken("the manifest announces ", manifest.n_prompts(), " prompts, the request holds ", n_prompts_);
  }
  if (n_variants_ < 1) return Broken("the manifest announces ", n_variants_, " variants, expected 1 or more");
  if (manifest.replacements_size() != n_replacements_) {
    return Broken("the manifest has ", manifest.replacements_size(), " replacements, the request asks for ",
                  n_replacements_);
  }
  if (manifest.edit_positions().each() != sweeps_positions_) {
    return Broken("the manifest says that positions are ", sweeps_positions_ ? "not " : "",
                  "swept over, the request says the opposite");
  }
  sizes_.n_layers = manifest.model().n_layers();
  sizes_.n_heads = manifest.model().n_heads();
  // Where some prompt has no target there is no metric for the heads to interact in.
  sizes_.has_interactions = manifest.sweep().has_pairs() && !manifest.primary_metric().empty();
  space_ = RowSpace(manifest);
  return CheckSelection(manifest.selection());
}

absl::Status StreamCheck::CheckSelection(const ablation::v1::Selection& selection) const {
  absl::flat_hash_set<int32_t> chosen;
  for (const int32_t prompt : selection.prompt_index()) {
    if (prompt < 0 || prompt >= n_prompts_ || !chosen.insert(prompt).second) {
      return Broken("the selection names prompt ", prompt, " of ", n_prompts_, ", expected each at most once");
    }
  }
  if (static_cast<int64_t>(chosen.size()) == n_prompts_) {
    return Broken("all ", n_prompts_, " prompts chose, expected some to estimate on");
  }
  return absl::OkStatus();
}

absl::Status StreamCheck::TakeVariants(const ablation::v1::VariantBlock& block) {
  if (block.first_variant() != variants_ || block.variants().empty() ||
      variants_ + block.variants_size() > n_variants_) {
    return Broken("a block of ", block.variants_size(), " variants begins at ", block.first_variant(), "; ", variants_,
                  " of ", n_variants_, " have come");
  }
  variants_ += block.variants_size();
  return absl::OkStatus();
}

absl::Status StreamCheck::TakePrompts(const ablation::v1::PromptBlock& block) {
  if (variants_ != n_variants_) return Broken("prompts came after ", variants_, " of ", n_variants_, " variants");
  if (block.first_prompt_index() != space_.n_prompts() || block.prompts().empty() ||
      space_.n_prompts() + block.prompts_size() > n_prompts_) {
    return Broken("a block of ", block.prompts_size(), " prompts begins at ", block.first_prompt_index(), "; ",
                  space_.n_prompts(), " of ", n_prompts_, " have come");
  }
  for (const auto& prompt : block.prompts()) {
    if (auto status = space_.AddPrompt(prompt); !status.ok()) return status;
    const int64_t number = space_.n_prompts() - 1;
    if (wants_compensation_) compensation_rows_ += space_.edited_rows_of(number);
    if (wants_likelihood_) likelihood_runs_ += space_.runs_of(number);
  }
  if (space_.n_prompts() == n_prompts_ && space_.total_rows() != total_rows_) {
    return Broken("the manifest announces ", total_rows_, " rows, expected ", space_.total_rows(), " (", n_prompts_,
                  n_prompts_ == 1 ? " prompt, " : " prompts, ", n_variants_, " variants, ", n_replacements_,
                  n_replacements_ == 1 ? " replacement)" : " replacements)");
  }
  return absl::OkStatus();
}

absl::Status StreamCheck::CheckBehindHead(const char* what) const {
  if (variants_ == n_variants_ && space_.n_prompts() == n_prompts_) return absl::OkStatus();
  return Broken(what, " came after ", variants_, " of ", n_variants_, " variants and ", space_.n_prompts(), " of ",
                n_prompts_, " prompts");
}

absl::Status StreamCheck::TakeRows(const RowBlock& block) {
  auto status = CheckBehindHead("rows");
  status.Update(CheckBlock(block, sizes_));
  if (!status.ok()) return status;
  for (int i = 0; i < block.variant_size(); ++i) {
    const int64_t prompt = block.prompt_index(i);
    const RunKey key = KeyOf(block, i);
    const auto index = space_.RowIndex(prompt, key, block.position(i));
    if (!index.ok()) return index.status();
    if (!rows_.Mark(prompt, *index, space_.rows_of(prompt))) {
      return Broken("the row of ", Name(prompt, key), ", position ", block.position(i), " came twice");
    }
  }
  return absl::OkStatus();
}

absl::Status StreamCheck::TakeLikelihood(const ablation::v1::LikelihoodBlock& block) {
  if (auto status = CheckBehindHead("likelihoods"); !status.ok()) return status;
  if (!wants_likelihood_) return Broken("likelihoods came, which the request does not ask for");
  const int64_t prompt = block.prompt_index();
  if (prompt < 0 || prompt >= n_prompts_) return Broken("likelihoods name prompt ", prompt, " of ", n_prompts_);
  if (auto status = CheckBlock(block, sizes_, space_.n_tokens(prompt)); !status.ok()) return status;
  for (int i = 0; i < block.variant_size(); ++i) {
    const RunKey key = KeyOf(block, i);
    const auto index = space_.RunIndex(prompt, key);
    if (!index.ok()) return index.status();
    if (!likelihood_.Mark(prompt, *index, space_.runs_of(prompt))) {
      return Broken("the likelihood of ", Name(prompt, key), " came twice");
    }
  }
  return absl::OkStatus();
}

absl::Status StreamCheck::TakeCompensation(const ablation::v1::CompensationBlock& block) {
  if (auto status = CheckBehindHead("compensations"); !status.ok()) return status;
  if (!wants_compensation_) return Broken("compensations came, which the request does not ask for");
  const int64_t prompt = block.prompt_index();
  if (auto status = CheckBlock(block, sizes_); !status.ok()) return status;
  for (int i = 0; i < block.variant_size(); ++i) {
    const RunKey key = KeyOf(block, i);
    const auto index = space_.RowIndex(prompt, key, block.position(i));
    if (!index.ok()) return index.status();
    if (key.is_unedited()) return Broken("a compensation of the unedited run of ", Name(prompt, key), " came");
    const int64_t size = space_.edited_rows_of(prompt);
    const int64_t n_unedited = space_.rows_of(prompt) - size;
    if (!compensation_.Mark(prompt, *index - n_unedited, size)) {
      return Broken("the compensation of ", Name(prompt, key), ", position ", block.position(i), " came twice");
    }
  }
  return absl::OkStatus();
}

absl::Status StreamCheck::TakeSummaryHead() {
  if (!wants_summary_) return Broken("a summary came, which the request does not ask for");
  if (has_summary_) return Broken("a second summary came");
  if (auto status = CheckBehindHead("the summary"); !status.ok()) return status;
  if (!is_job_ && rows_.count() != total_rows_) {
    return Broken("the summary came after ", rows_.count(), " of ", total_rows_, " rows");
  }
  has_summary_ = true;
  return absl::OkStatus();
}

absl::Status StreamCheck::TakeSummary(const ablation::v1::SummaryBlock& block) {
  if (!has_summary_) return Broken("a block of the summary came before its head");
  if (auto status = CheckBlock(block, sizes_, n_variants_); !status.ok()) return status;
  for (int i = 0; i < block.variant_size(); ++i) {
    const auto index = space_.SummaryIndex(block, i);
    if (!index.ok()) return index.status();
    if (!summary_.Mark(0, *index, space_.edited_rows_of(0))) {
      return Broken("the summary's entry of ", Name(0, KeyOf(block, i)), ", read index ", block.read_index(i),
                    " came twice");
    }
  }
  return absl::OkStatus();
}

absl::Status StreamCheck::TakeCompletion(const ablation::v1::Completion& completion) {
  if (auto status = CheckBehindHead("the completion"); !status.ok()) return status;
  if (is_job_) return TakeCompletionOfJob(completion);
  if (rows_.count() != total_rows_ || completion.rows() != total_rows_) {
    return Broken("the completion counts ", completion.rows(), " rows, ", rows_.count(),
                  " came, the manifest announced ", total_rows_);
  }
  if (likelihood_.count() != likelihood_runs_) {
    return Broken("the completion came after the likelihoods of ", likelihood_.count(), " of ", likelihood_runs_,
                  " runs");
  }
  if (compensation_.count() != compensation_rows_) {
    return Broken("the completion came after the compensations of ", compensation_.count(), " of ", compensation_rows_,
                  " rows");
  }
  if (wants_summary_ && !has_summary_) return Broken("the completion came without the summary asked for");
  const int64_t entries = wants_summary_ ? space_.edited_rows_of(0) : 0;
  if (summary_.count() != entries) {
    return Broken("the completion came after ", summary_.count(), " of the summary's ", entries, " entries");
  }
  completed_ = true;
  return absl::OkStatus();
}

absl::Status StreamCheck::End() const {
  if (completed_) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("incomplete: the stream ended after ", rows_.count(), " of ",
                                          has_manifest_ ? absl::StrCat(total_rows_) : "an unknown number of",
                                          " rows, without its completion; the results so far are not the whole scan"));
}

}  // namespace ablate::client
