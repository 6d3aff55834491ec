#include "engine/forward/logits_readout.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/types.h"

namespace ablate {
namespace {

static_assert(kMaxTopK <= kernels::cpu::kMaxTopK);

template <typename T>
void MeasureCpu(const at::Tensor& logits, absl::Span<const LogitsQuery> queries, LogitsReadout& result) {
  std::vector<kernels::cpu::ReadoutQuery<T>> native(queries.size());
  const T* data = logits.const_data_ptr<T>();
  const int64_t stride = logits.stride(0);
  size_t top_k_at = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    const LogitsQuery& query = queries[i];
    native[i].logits = data + query.row * stride;
    native[i].baseline = data + query.baseline_row * stride;
    native[i].target_id = query.target_id;
    native[i].contrast_id = query.contrast_id;
    native[i].top_k = query.top_k;
    native[i].top_k_id = result.top_k_id.data() + top_k_at;
    native[i].top_k_logprob = result.top_k_logprob.data() + top_k_at;
    top_k_at += query.top_k;
  }
  at::parallel_for(0, static_cast<int64_t>(queries.size()), 1, [&](int64_t begin, int64_t end) {
    kernels::cpu::Readout(native.data(), static_cast<int32_t>(logits.size(1)), result.rows.data(), begin, end);
  });
}

// Rows of `values` picked by `ids`, 0 where the id is -1.
at::Tensor Pick(const at::Tensor& values, const at::Tensor& ids) {
  return values.gather(1, ids.clamp_min(0).unsqueeze(1)).squeeze(1);
}

// A composition of ATen ops in float64, for devices without a kernel of our own.
void MeasureComposed(const at::Tensor& logits, absl::Span<const LogitsQuery> queries, LogitsReadout& result) {
  const int64_t n = static_cast<int64_t>(queries.size());
  at::Tensor indices = at::empty({4, n}, at::kLong);
  auto at_index = indices.accessor<int64_t, 2>();
  int32_t largest_k = 0;
  for (int64_t i = 0; i < n; ++i) {
    at_index[0][i] = queries[i].row;
    at_index[1][i] = queries[i].baseline_row;
    at_index[2][i] = queries[i].target_id;
    at_index[3][i] = queries[i].contrast_id;
    largest_k = std::max(largest_k, queries[i].top_k);
  }
  const at::Tensor on_device = indices.to(logits.device());
  const at::Tensor target = on_device[2];
  const at::Tensor contrast = on_device[3];
  const at::Tensor y = logits.index_select(0, on_device[0]);             // [n, V]
  const at::Tensor all_lp = at::log_softmax(logits.to(at::kDouble), 1);  // [B, V]
  const at::Tensor lp = all_lp.index_select(0, on_device[0]);            // [n, V]
  const at::Tensor base_lp = all_lp.index_select(0, on_device[1]);       // [n, V]
  const at::Tensor d = base_lp - lp;                                     // [n, V]
  const at::Tensor kl = (base_lp.exp() * (at::expm1(-d) + d)).sum(1);    // [n]
  const at::Tensor entropy = -(lp.exp() * lp).sum(1);                    // [n]
  const at::Tensor target_logit = Pick(y, target);                       // [n]
  const at::Tensor rank = y.gt(target_logit.unsqueeze(1)).sum(1);        // [n]
  const at::Tensor top1 = y.argmax(1);                                   // [n]
  const at::Tensor values =
      at::stack({target_logit.to(at::kDouble), Pick(y, contrast).to(at::kDouble), Pick(lp, target), Pick(lp, contrast),
                 entropy, kl, rank.to(at::kDouble), top1.to(at::kDouble)})
          .cpu();  // [8, n]
  auto value = values.accessor<double, 2>();
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  for (int64_t i = 0; i < n; ++i) {
    const bool has_target = queries[i].target_id >= 0;
    const bool has_contrast = queries[i].contrast_id >= 0;
    kernels::cpu::ReadoutRow& row = result.rows[i];
    row.target_logit = has_target ? value[0][i] : kNone;
    row.contrast_logit = has_contrast ? value[1][i] : kNone;
    row.target_logprob = has_target ? value[2][i] : kNone;
    row.contrast_logprob = has_contrast ? value[3][i] : kNone;
    row.log_sum_exp = has_target ? value[0][i] - value[2][i] : kNone;
    row.entropy = value[4][i];
    row.kl_divergence = value[5][i];
    row.target_rank = has_target ? static_cast<int32_t>(value[6][i]) : -1;
    row.top1_id = static_cast<int32_t>(value[7][i]);
  }
  if (largest_k == 0) return;
  const auto [top_values, top_ids] = lp.topk(largest_k, 1);  // [n, K]
  const at::Tensor host_values = top_values.cpu();
  const at::Tensor host_ids = top_ids.cpu();
  auto value_at = host_values.accessor<double, 2>();
  auto id_at = host_ids.accessor<int64_t, 2>();
  size_t next = 0;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<int32_t> order(queries[i].top_k);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return value_at[i][a] != value_at[i][b] ? value_at[i][a] > value_at[i][b] : id_at[i][a] < id_at[i][b];
    });
    for (int32_t k : order) {
      result.top_k_id[next] = static_cast<int32_t>(id_at[i][k]);
      result.top_k_logprob[next++] = value_at[i][k];
    }
  }
}

}  // namespace

LogitsReadout MeasureLogits(const at::Tensor& logits, absl::Span<const LogitsQuery> queries) {
  LogitsReadout result;
  size_t n_top_k = 0;
  for (const LogitsQuery& query : queries) n_top_k += query.top_k;
  result.rows.resize(queries.size());
  result.top_k_id.resize(n_top_k);
  result.top_k_logprob.resize(n_top_k);
  if (!logits.is_cpu()) {
    MeasureComposed(logits, queries, result);
  } else if (logits.scalar_type() == at::kDouble) {
    MeasureCpu<double>(logits, queries, result);
  } else {
    MeasureCpu<float>(logits, queries, result);
  }
  return result;
}

}  // namespace ablate
