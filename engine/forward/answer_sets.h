// Targets and contrasts of several tokens: what is asked of the logits for them, and what becomes of the answers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "engine/forward/logits_readout.h"
#include "engine/types.h"

namespace ablate {

// A query and the answers that it is about.
struct SetQuery {
  LogitsQuery query;  // without target and contrast
  const Answers* answers = nullptr;
  Reduction reduction = Reduction::kMeanLogit;
};

// As MeasureLogits, with a set's reduction in the place of a token's logit and log-prob, and its best token's rank:
//   kMeanLogit  logit: mean of y over the set;    log-prob: mean of lp
//   kLogSumExp  logit: log sum exp y over the set; log-prob: log of the set's probability
//
// What it gives waits for the answers when it is called; the queries' answers outlive it.
absl::AnyInvocable<LogitsReadout() &&> MeasureAnswers(const at::Tensor& logits, absl::Span<const SetQuery> queries);

}  // namespace ablate
