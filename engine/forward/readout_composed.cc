#include "engine/forward/readout_composed.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <limits>
#include <tuple>

namespace ablate {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// What the queries ask for, on the logits' device.
struct Indices {
  at::Tensor row, baseline_row, target, contrast;  // each [n]; ids are -1 where there is none
};

Indices ToDevice(absl::Span<const LogitsQuery> queries, c10::Device device) {
  const int64_t n = static_cast<int64_t>(queries.size());
  at::Tensor indices = at::empty({4, n}, at::kLong);
  auto at_index = indices.accessor<int64_t, 2>();
  for (int64_t i = 0; i < n; ++i) {
    at_index[0][i] = queries[i].row;
    at_index[1][i] = queries[i].baseline_row;
    at_index[2][i] = queries[i].target_id;
    at_index[3][i] = queries[i].contrast_id;
  }
  const at::Tensor moved = indices.to(device);
  return {moved[0], moved[1], moved[2], moved[3]};
}

// Row i's value at ids[i]; NaN where the id is -1.
at::Tensor Pick(const at::Tensor& values, const at::Tensor& ids) {
  const at::Tensor picked = values.gather(1, ids.clamp_min(0).unsqueeze(1)).squeeze(1).to(at::kDouble);
  return picked.masked_fill(ids.lt(0), kNone);
}

// The smallest id among the largest logits: argmax promises nothing of ties.
at::Tensor FirstLargest(const at::Tensor& y) {
  const at::Tensor largest = y.amax(1, /*keepdim=*/true);
  const at::Tensor ids = at::arange(y.size(1), y.options().dtype(at::kLong));
  return at::where(y.eq(largest), ids, ids.new_full({}, y.size(1))).amin(1);
}

// p (expm1(-d) + d), and 0 where the baseline gives a token no probability at all.
at::Tensor KlDivergence(const at::Tensor& base_lp, const at::Tensor& lp) {
  const at::Tensor d = base_lp - lp;
  const at::Tensor p = base_lp.exp();
  return at::where(p.gt(0), p * (at::expm1(-d) + d), lp.exp()).sum(1);
}

// The K largest of each row, falling, the smaller id first among equals: a stable sort keeps ids in order.
void MeasureTopK(const at::Tensor& lp, const at::Tensor& is_distribution, absl::Span<const LogitsQuery> queries,
                 int64_t most, LogitsReadout& result) {
  const auto [sorted, order] = at::sort(lp, /*stable=*/true, /*dim=*/1, /*descending=*/true);  // [n, V]
  const at::Tensor values = sorted.narrow(1, 0, most).cpu();
  const at::Tensor ids = order.narrow(1, 0, most).cpu();
  auto value_at = values.accessor<double, 2>();
  auto id_at = ids.accessor<int64_t, 2>();
  auto good = is_distribution.accessor<bool, 1>();
  size_t next = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    for (int32_t k = 0; k < queries[i].top_k; ++k, ++next) {
      result.top_k_id[next] = good[i] ? static_cast<int32_t>(id_at[i][k]) : -1;
      result.top_k_logprob[next] = good[i] ? value_at[i][k] : kNone;
    }
  }
}

}  // namespace

LogitsReadout MeasureComposed(const at::Tensor& logits, absl::Span<const LogitsQuery> queries) {
  LogitsReadout result(queries);
  const Indices indices = ToDevice(queries, logits.device());
  const at::Tensor y = logits.index_select(0, indices.row);                             // [n, V]
  const at::Tensor all_lp = at::log_softmax(logits.to(at::kDouble), 1);                 // [B, V]
  const at::Tensor good_rows = at::isfinite(at::logsumexp(logits.to(at::kDouble), 1));  // [B]
  const at::Tensor lp = all_lp.index_select(0, indices.row);                            // [n, V]
  const at::Tensor entropy = -at::xlogy(lp.exp(), lp.exp()).sum(1);                     // [n]
  const at::Tensor kl = KlDivergence(all_lp.index_select(0, indices.baseline_row), lp)
                            .masked_fill(indices.row.eq(indices.baseline_row), 0)
                            .masked_fill(good_rows.index_select(0, indices.baseline_row).logical_not(), kNone);  // [n]
  const at::Tensor target_logit = Pick(y, indices.target);                                                       // [n]
  const at::Tensor rank = y.to(at::kDouble).gt(target_logit.unsqueeze(1)).sum(1);                                // [n]
  const at::Tensor is_distribution = good_rows.index_select(0, indices.row).cpu();                               // [n]
  const at::Tensor values =
      at::stack({target_logit, Pick(y, indices.contrast), Pick(lp, indices.target), Pick(lp, indices.contrast), entropy,
                 kl, rank.to(at::kDouble), FirstLargest(y).to(at::kDouble)})
          .cpu();  // [8, n]
  auto value = values.accessor<double, 2>();
  auto good = is_distribution.accessor<bool, 1>();
  int32_t most = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    const auto answer = [&](int column) { return good[i] ? value[column][i] : kNone; };
    kernels::cpu::ReadoutRow& row = result.rows[i];
    row.target_logit = value[0][i];
    row.contrast_logit = value[1][i];
    row.target_logprob = answer(2);
    row.contrast_logprob = answer(3);
    row.entropy = answer(4);
    row.kl_divergence = answer(5);
    row.target_rank = good[i] && queries[i].target_id >= 0 ? static_cast<int32_t>(value[6][i]) : -1;
    row.top1_id = good[i] ? static_cast<int32_t>(value[7][i]) : -1;
    most = std::max(most, queries[i].top_k);
  }
  if (most > 0) MeasureTopK(lp, is_distribution, queries, most, result);
  return result;
}

}  // namespace ablate
