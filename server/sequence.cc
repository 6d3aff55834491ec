#include "server/sequence.h"

#include <cmath>

#include "server/wire_rows.h"

namespace ablate {
namespace {

// The columns of a first read that say nothing about the sequence.
void DropAnswers(ReadoutBlock& rows) {
  for (const auto member :
       {&ReadoutBlock::target_logit, &ReadoutBlock::contrast_logit, &ReadoutBlock::logit_diff,
        &ReadoutBlock::target_logprob, &ReadoutBlock::contrast_logprob, &ReadoutBlock::target_prob,
        &ReadoutBlock::prob_diff, &ReadoutBlock::delta_target_logit, &ReadoutBlock::delta_contrast_logit,
        &ReadoutBlock::delta_logit_diff, &ReadoutBlock::delta_target_logprob, &ReadoutBlock::delta_contrast_logprob,
        &ReadoutBlock::delta_target_prob, &ReadoutBlock::delta_prob_diff}) {
    (rows.*member).clear();
  }
}

// exp(logprob) minus what it was. From the larger of the two: expm1 of a positive number may overflow.
double DeltaProb(double logprob, double delta) {
  return delta < 0 ? std::exp(logprob - delta) * std::expm1(delta) : 0.0 - std::exp(logprob) * std::expm1(-delta);
}

}  // namespace

void SequenceJoin::Take(const ReadoutBlock& reads, bool of_contrast, int32_t first_position, ReadoutBlock& rows) {
  for (size_t i = 0; i < reads.variant.size(); ++i) {
    Run& run = runs_[reads.variant[i]];
    Sum& sum = of_contrast ? run.contrast : run.target;
    ++sum.reads;
    sum.logprob += reads.target_logprob[i];
    sum.delta += reads.delta_target_logprob[i];
    if (!of_contrast && reads.position[i] == first_position) {
      run.first = firsts_.variant.size();
      AppendRow(reads, i, firsts_);
      // Dropped at once, so that they are not kept either.
      DropAnswers(firsts_);
    }
    if (run.target.reads == n_target_ && run.contrast.reads == n_contrast_) Emit(run, rows);
  }
}

void SequenceJoin::Emit(const Run& run, ReadoutBlock& rows) const {
  AppendRow(firsts_, run.first, rows);
  const Sum &target = run.target, &contrast = run.contrast;
  rows.target_logprob.push_back(target.logprob);
  rows.target_prob.push_back(std::exp(target.logprob));
  rows.delta_target_logprob.push_back(target.delta);
  rows.delta_target_prob.push_back(DeltaProb(target.logprob, target.delta));
  if (n_contrast_ == 0) return;
  rows.contrast_logprob.push_back(contrast.logprob);
  rows.delta_contrast_logprob.push_back(contrast.delta);
  rows.logit_diff.push_back(target.logprob - contrast.logprob);
  rows.delta_logit_diff.push_back(target.delta - contrast.delta);
  rows.prob_diff.push_back(std::exp(target.logprob) - std::exp(contrast.logprob));
  rows.delta_prob_diff.push_back(DeltaProb(target.logprob, target.delta) - DeltaProb(contrast.logprob, contrast.delta));
}

}  // namespace ablate
