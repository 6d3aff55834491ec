#include "engine/forward/readout.h"

#include <ATen/Functions.h>

#include <cmath>

#include "absl/container/flat_hash_map.h"
#include "engine/forward/logits_readout.h"
#include "engine/forward/ops.h"

namespace ablate {
namespace {

using kernels::cpu::ReadoutRow;

// Logits' row stride: 16-byte accesses stay aligned (GPT-2's 50,257 columns become 50,304).
constexpr int64_t kLogitsAlignment = 64;

// Adds one readout to the columns. Differences are taken before rounding to the precision of the result.
template <typename Value>
void Append(const ReadoutRequest& request, const Scan& scan, const ReadoutRow& row, const ReadoutRow& base,
            ReadoutBlock& block) {
  const auto rounded = [](double value) { return static_cast<double>(static_cast<Value>(value)); };
  const auto add = [&](std::vector<double>& level, std::vector<double>& delta, double value, double base_value) {
    level.push_back(rounded(value));
    delta.push_back(rounded(value - base_value));
  };
  block.variant.push_back(request.variant);
  block.position.push_back(request.position);
  if (scan.target_id >= 0) {
    add(block.target_logit, block.delta_target_logit, row.target_logit, base.target_logit);
    add(block.target_logprob, block.delta_target_logprob, row.target_logprob, base.target_logprob);
    add(block.target_prob, block.delta_target_prob, std::exp(row.target_logprob), std::exp(base.target_logprob));
    block.target_rank.push_back(row.target_rank);
    block.target_is_top1.push_back(row.target_rank == 0);
  }
  if (scan.contrast_id >= 0) {
    add(block.contrast_logit, block.delta_contrast_logit, row.contrast_logit, base.contrast_logit);
    add(block.contrast_logprob, block.delta_contrast_logprob, row.contrast_logprob, base.contrast_logprob);
  }
  if (scan.target_id >= 0 && scan.contrast_id >= 0) {
    add(block.logit_diff, block.delta_logit_diff, row.target_logit - row.contrast_logit,
        base.target_logit - base.contrast_logit);
    add(block.prob_diff, block.delta_prob_diff, std::exp(row.target_logprob) - std::exp(row.contrast_logprob),
        std::exp(base.target_logprob) - std::exp(base.contrast_logprob));
  }
  block.top1_id.push_back(row.top1_id);
  block.top1_preserved.push_back(row.top1_id == base.top1_id);
  block.kl_divergence.push_back(rounded(row.kl_divergence));
  block.entropy.push_back(rounded(row.entropy));
}

// Logits [B, V] of residual rows `rows`; B is padded, row i of the result belongs to rows[i].
at::Tensor Unembed(const Weights& weights, const GptConfig& config, const at::Tensor& residuals,
                   absl::Span<const int64_t> rows, Workspace& workspace) {
  const int64_t padded = PadRows(static_cast<int64_t>(rows.size()));
  std::vector<int64_t> index(rows.begin(), rows.end());
  index.resize(padded, rows[0]);
  const at::Tensor picked = at::tensor(index, at::kLong).to(residuals.device());
  at::Tensor x = residuals.index_select(0, picked);  // [B, D]
  at::Tensor normed = workspace.Take(Slot::kNormed, {padded, config.d_model});
  LayerNorm(x, weights.ln_f_weight, weights.ln_f_bias, config.layer_norm_epsilon, {}, normed);
  const int64_t stride = (config.vocab_size + kLogitsAlignment - 1) / kLogitsAlignment * kLogitsAlignment;
  at::Tensor logits = workspace.Take(Slot::kLogits, {padded, stride}).narrow(1, 0, config.vocab_size);
  at::mm_out(logits, normed, weights.wte.t());
  return logits;
}

}  // namespace

void ReadOut(const Weights& weights, const GptConfig& config, absl::Span<const Scan> scans,
             absl::Span<const ReadoutRequest> requests, const at::Tensor& residuals, Workspace& workspace,
             std::vector<ReadoutBlock>& blocks) {
  // Each residual row's logits once, however many requests share it.
  std::vector<int64_t> rows;
  absl::flat_hash_map<int64_t, int64_t> place;
  const auto place_of = [&](int64_t row) {
    const auto [it, fresh] = place.try_emplace(row, static_cast<int64_t>(rows.size()));
    if (fresh) rows.push_back(row);
    return it->second;
  };
  std::vector<LogitsQuery> queries;
  for (const ReadoutRequest& request : requests) {
    const Scan& scan = scans[request.scan];
    const int64_t baseline = place_of(request.baseline_row);
    queries.push_back({place_of(request.row), baseline, scan.target_id, scan.contrast_id, scan.top_k});
  }
  // The baselines' own answers stand behind the requests', for the deltas.
  std::vector<size_t> base_answer(requests.size());
  absl::flat_hash_map<std::pair<int32_t, int64_t>, size_t> base_of;  // (scan, baseline row)
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto [it, fresh] = base_of.try_emplace({requests[i].scan, requests[i].baseline_row}, queries.size());
    if (fresh) {
      const Scan& scan = scans[requests[i].scan];
      queries.push_back({queries[i].baseline_row, queries[i].baseline_row, scan.target_id, scan.contrast_id, 0});
    }
    base_answer[i] = it->second;
  }
  const at::Tensor logits = Unembed(weights, config, residuals, rows, workspace);
  const LogitsReadout readout = MeasureLogits(logits, queries);

  size_t top_k_at = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    const ReadoutRequest& request = requests[i];
    const Scan& scan = scans[request.scan];
    if (i == 0 || requests[i - 1].scan != request.scan) {
      blocks.emplace_back();
      blocks.back().scan = request.scan;
    }
    ReadoutBlock& block = blocks.back();
    const ReadoutRow& base = readout.rows[base_answer[i]];
    const bool is_float64 = logits.scalar_type() == at::kDouble;
    is_float64 ? Append<double>(request, scan, readout.rows[i], base, block)
               : Append<float>(request, scan, readout.rows[i], base, block);
    for (int32_t k = 0; k < scan.top_k; ++k, ++top_k_at) {
      block.top_k_id.push_back(readout.top_k_id[top_k_at]);
      const double logprob = readout.top_k_logprob[top_k_at];
      block.top_k_logprob.push_back(is_float64 ? logprob : static_cast<float>(logprob));
    }
  }
}

}  // namespace ablate
