#include "tests/server/fake_readout.h"

#include <cmath>

#include "tests/server/fake_engine.h"

namespace ablate {
namespace {

// One side's numbers of one run.
struct Side {
  double logit = 0, logprob = 0;
};

Side Of(const std::vector<int32_t>& ids, double residual) {
  Side side;
  for (const int32_t id : ids) {
    side.logit += FakeEngine::Logit(residual, id) / static_cast<double>(ids.size());
    side.logprob += FakeEngine::Logprob(residual, id) / static_cast<double>(ids.size());
  }
  return side;
}

// Of two tokens, by the run's parity: so some runs keep their baseline's.
int32_t Top1(double residual) {
  return static_cast<int32_t>(std::abs(std::floor(residual))) % 2 == 0 ? FakeTokenizer::kIs : FakeTokenizer::kGermany;
}

void AddAnswers(const Answers& answers, double residual, double baseline, ReadoutBlock& block) {
  const Side target = Of(answers.targets, residual), base_target = Of(answers.targets, baseline);
  const Side contrast = Of(answers.contrasts, residual), base_contrast = Of(answers.contrasts, baseline);
  if (!answers.targets.empty()) {
    block.target_logit.push_back(target.logit);
    block.target_logprob.push_back(target.logprob);
    block.target_prob.push_back(std::exp(target.logprob));
    block.delta_target_logit.push_back(target.logit - base_target.logit);
    block.delta_target_logprob.push_back(target.logprob - base_target.logprob);
    block.delta_target_prob.push_back(std::exp(target.logprob) - std::exp(base_target.logprob));
    block.target_rank.push_back(static_cast<int32_t>(std::abs(residual)) % FakeEngine::kPositions);
    block.target_is_top1.push_back(block.target_rank.back() == 0);
  }
  if (!answers.contrasts.empty()) {
    block.contrast_logit.push_back(contrast.logit);
    block.contrast_logprob.push_back(contrast.logprob);
    block.delta_contrast_logit.push_back(contrast.logit - base_contrast.logit);
    block.delta_contrast_logprob.push_back(contrast.logprob - base_contrast.logprob);
  }
  if (answers.targets.empty() || answers.contrasts.empty()) return;
  block.logit_diff.push_back(target.logit - contrast.logit);
  block.delta_logit_diff.push_back(block.logit_diff.back() - (base_target.logit - base_contrast.logit));
  block.prob_diff.push_back(std::exp(target.logprob) - std::exp(contrast.logprob));
  block.delta_prob_diff.push_back(block.prob_diff.back() -
                                  (std::exp(base_target.logprob) - std::exp(base_contrast.logprob)));
}

// A level of 4, half of the change direct, three quarters of it live; head i of the rest changes by i, MLP i by -i.
void AddEffects(const Scan& scan, bool is_edited, ReadoutBlock& block) {
  const double total = is_edited ? block.delta_logit_diff.back() : 0;
  block.direct_contribution.push_back(is_edited ? 4 : 0);
  block.direct_effect.push_back(total / 2);
  block.direct_effect_live.push_back(0.75 * total);
  if (!scan.compensation) return;
  for (int32_t i = 0; i < FakeEngine::kLayers * FakeEngine::kHeads; ++i) block.compensation_heads.push_back(i);
  for (int32_t i = 0; i < FakeEngine::kLayers; ++i) block.compensation_mlps.push_back(-i);
  block.compensation_layer_norm.push_back(total / 4);
}

}  // namespace

std::vector<FakeRow> FakeRows(const Scan& scan) {
  std::vector<FakeRow> rows;
  const auto add = [&](int32_t variant) {
    for (size_t read = 0; read < scan.read_positions.size(); ++read) rows.push_back({variant, read});
  };
  add(kBaselineVariant);
  if (!scan.donor_token_ids.empty()) add(kDonorVariant);
  for (size_t v = 0; v < scan.variants.size(); ++v) add(static_cast<int32_t>(v));
  return rows;
}

ReadoutBlock FakeReadout(const Scan& scan, absl::Span<const FakeRow> rows) {
  ReadoutBlock block;
  for (const FakeRow& row : rows) {
    const int32_t position = scan.read_positions[row.read];
    const bool is_edited = row.variant >= 0, has_donor = !scan.donor_token_ids.empty();
    const double baseline = FakeEngine::Residual(scan, {}, position);
    const double donor = has_donor ? FakeEngine::DonorResidual(scan, position) : 0;
    const double residual = is_edited
                                ? FakeEngine::Residual(scan, scan.variants[static_cast<size_t>(row.variant)], position)
                                : (row.variant == kDonorVariant ? donor : baseline);
    block.variant.push_back(row.variant);
    block.position.push_back(position);
    AddAnswers(scan.AnswersAt(row.read), residual, baseline, block);
    block.top1_id.push_back(Top1(residual));
    block.top1_preserved.push_back(block.top1_id.back() == Top1(baseline));
    block.kl_divergence.push_back(FakeEngine::Kl(baseline, residual));
    block.entropy.push_back(std::abs(residual) / 4096);
    if (has_donor) block.kl_from_donor.push_back(FakeEngine::Kl(donor, residual));
    for (int32_t k = 0; k < scan.top_k; ++k) {
      block.top_k_id.push_back(k);
      block.top_k_logprob.push_back(-k);
    }
    if (scan.effects) AddEffects(scan, is_edited, block);
  }
  return block;
}

}  // namespace ablate
