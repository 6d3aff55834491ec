#include "engine/forward/answer_sets.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "engine/forward/cuda_launch.h"

namespace ablate {
namespace {

// The logits of one set in one row.
struct SetLogits {
  const std::vector<int32_t>* ids = nullptr;
  absl::Span<const double> values;  // parallel to ids

  size_t Best() const { return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin()); }
};

double Reduce(absl::Span<const double> logits, Reduction reduction) {
  double sum = 0;
  if (reduction == Reduction::kMeanLogit) {
    for (const double y : logits) sum += y;
    return sum / static_cast<double>(logits.size());
  }
  const double largest = *std::max_element(logits.begin(), logits.end());
  for (const double y : logits) sum += std::exp(y - largest);
  return largest + std::log(sum);
}

// The logits that sets of several tokens need, gathered at once.
class Gathered {
 public:
  Gathered(const at::Tensor& logits, absl::Span<const SetQuery> queries) {
    std::vector<int64_t> rows, ids;
    for (const SetQuery& query : queries) {
      for (const auto* set : {&query.answers->targets, &query.answers->contrasts}) {
        if (set->size() < 2) continue;
        rows.insert(rows.end(), set->size(), query.query.row);
        ids.insert(ids.end(), set->begin(), set->end());
      }
    }
    if (rows.empty()) return;
    const auto options = at::TensorOptions(at::kLong);
    const at::Tensor row = ToDevice(at::tensor(rows, options), logits.device());
    const at::Tensor id = ToDevice(at::tensor(ids, options), logits.device());
    values_ = at::index(logits, {row, id}).to(at::kCPU, at::kDouble);  // [sum of set sizes]
  }

  // Of the next set, in the constructor's order.
  SetLogits Next(const std::vector<int32_t>& ids) {
    const SetLogits set = {&ids, {values_.const_data_ptr<double>() + next_, ids.size()}};
    next_ += ids.size();
    return set;
  }

 private:
  at::Tensor values_;
  size_t next_ = 0;
};

// One side of an answer: the token that stands for it in the query, and its set where it has several.
struct Side {
  int32_t id = -1;
  SetLogits set;

  Side(const std::vector<int32_t>& ids, Gathered& gathered) {
    if (ids.size() == 1) id = ids[0];
    if (ids.size() < 2) return;
    set = gathered.Next(ids);
    id = ids[set.Best()];
  }

  // From the best token's logit and log-prob to the set's.
  void Replace(Reduction reduction, double& logit, double& logprob) const {
    if (set.ids == nullptr) return;
    const double log_normalizer = logit - logprob;
    logit = Reduce(set.values, reduction);
    // A set that has nearly all of the probability: two sums round apart.
    logprob = std::min(logit - log_normalizer, 0.0);
  }
};

}  // namespace

absl::AnyInvocable<LogitsReadout() &&> MeasureAnswers(const at::Tensor& logits, absl::Span<const SetQuery> queries) {
  auto gathered = std::make_unique<Gathered>(logits, queries);
  struct Sides {
    Side target, contrast;
    Reduction reduction;
  };
  std::vector<LogitsQuery> plain;
  std::vector<Sides> sides;
  plain.reserve(queries.size());
  sides.reserve(queries.size());
  for (const SetQuery& query : queries) {
    const Side target(query.answers->targets, *gathered);
    const Side contrast(query.answers->contrasts, *gathered);
    plain.push_back(query.query);
    plain.back().target_id = target.id;
    plain.back().contrast_id = contrast.id;
    sides.push_back({target, contrast, query.reduction});
  }
  return [pending = MeasureLogits(logits, plain), sides = std::move(sides), gathered = std::move(gathered)]() mutable {
    LogitsReadout readout = std::move(pending).Take();
    for (size_t i = 0; i < sides.size(); ++i) {
      kernels::ReadoutRow& row = readout.rows[i];
      sides[i].target.Replace(sides[i].reduction, row.target_logit, row.target_logprob);
      sides[i].contrast.Replace(sides[i].reduction, row.contrast_logit, row.contrast_logprob);
    }
    return readout;
  };
}

}  // namespace ablate
