#include "server/likelihood.h"

#include <algorithm>

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

}  // namespace

int64_t LikelihoodJoin::RunBytes(size_t n_reads) {
  constexpr int64_t kBytesPerNumber = 8, kOthers = 64;
  return kOthers + kBytesPerNumber * static_cast<int64_t>(n_reads);
}

double LikelihoodJoin::MeanNll(const Run& run) const {
  double sum = 0;
  for (const double logprob : run.logprob) sum -= logprob;
  return sum / static_cast<double>(n_reads_);
}

void LikelihoodJoin::Take(const ReadoutBlock& reads, size_t max_bytes, std::vector<pb::LikelihoodBlock>& blocks) {
  for (size_t i = 0; i < reads.variant.size(); ++i) {
    const int32_t variant = reads.variant[i];
    const auto position = static_cast<size_t>(reads.position[i]);
    if (variant == kDonorVariant || position >= n_reads_) continue;
    Run& run = runs_[variant];
    if (run.logprob.empty()) run.logprob.resize(n_reads_);
    run.logprob[position] = reads.target_logprob[i];
    if (++run.reads < n_reads_) continue;
    complete_.push_back(variant);
    if (variant != kBaselineVariant) continue;
    has_baseline_ = true;
    baseline_nll_ = MeanNll(run);
  }
  if (!has_baseline_) return;
  const auto runs_per_block = std::max<size_t>(1, max_bytes / static_cast<size_t>(LikelihoodJoin::RunBytes(n_reads_)));
  for (size_t i = 0; i < complete_.size(); ++i) {
    if (i % runs_per_block == 0) blocks.emplace_back().set_prompt_index(prompt_);
    pb::LikelihoodBlock& block = blocks.back();
    const auto run = runs_.extract(complete_[i]);
    const UnitVariant is = describe_(complete_[i]);
    const double nll = MeanNll(run.mapped());
    block.add_replacement(is.replacement);
    block.add_variant(is.variant);
    block.add_edit_position(is.edit_position);
    block.add_mean_nll(nll);
    block.add_delta_mean_nll(nll - baseline_nll_);
    for (const double logprob : run.mapped().logprob) block.add_token_logprob(logprob);
  }
  complete_.clear();
}

}  // namespace ablate
