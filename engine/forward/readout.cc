#include "engine/forward/readout.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "engine/forward/answer_sets.h"
#include "engine/forward/gemm_bf16.h"
#include "engine/forward/gemm_cuda.h"
#include "engine/forward/ops.h"

namespace ablate {
namespace {

using kernels::ReadoutRow;

const Answers kNothing;

// Of the read position `position`.
const Answers& AnswersOf(const Scan& scan, int32_t position) {
  const auto read = std::lower_bound(scan.read_positions.begin(), scan.read_positions.end(), position);
  return scan.AnswersAt(static_cast<size_t>(read - scan.read_positions.begin()));
}

// Adds one readout to the columns. Differences are taken before rounding to the precision of the result.
template <typename Value>
void Append(const ReadoutRequest& request, const Answers& answers, const ReadoutRow& row, const ReadoutRow& base,
            ReadoutBlock& block) {
  const auto rounded = [](double value) { return static_cast<double>(static_cast<Value>(value)); };
  const auto add = [&](std::vector<double>& level, std::vector<double>& delta, double value, double base_value) {
    level.push_back(rounded(value));
    delta.push_back(rounded(value - base_value));
  };
  block.variant.push_back(request.variant);
  block.position.push_back(request.position);
  if (!answers.targets.empty()) {
    add(block.target_logit, block.delta_target_logit, row.target_logit, base.target_logit);
    add(block.target_logprob, block.delta_target_logprob, row.target_logprob, base.target_logprob);
    add(block.target_prob, block.delta_target_prob, std::exp(row.target_logprob), std::exp(base.target_logprob));
    block.target_rank.push_back(row.target_rank);
    block.target_is_top1.push_back(row.target_rank == 0);
  }
  if (!answers.contrasts.empty()) {
    add(block.contrast_logit, block.delta_contrast_logit, row.contrast_logit, base.contrast_logit);
    add(block.contrast_logprob, block.delta_contrast_logprob, row.contrast_logprob, base.contrast_logprob);
  }
  if (!answers.targets.empty() && !answers.contrasts.empty()) {
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

// Adds one readout's effects: those of cell `cell`, or of an unedited run where it is -1.
template <typename Value>
void AppendEffects(const EffectRows& effects, int32_t cell, const GptConfig& config, bool compensation,
                   ReadoutBlock& block) {
  const auto add = [&](std::vector<double>& column, const std::vector<double>& from, int64_t width) {
    for (int64_t i = cell * width; i < (cell + 1) * width; ++i) {
      column.push_back(cell < 0 ? 0.0 : static_cast<double>(static_cast<Value>(from[i])));
    }
  };
  add(block.direct_contribution, effects.direct_contribution, 1);
  add(block.direct_effect, effects.direct_effect, 1);
  add(block.direct_effect_live, effects.direct_effect_live, 1);
  if (!compensation) return;
  add(block.compensation_heads, effects.heads, int64_t{config.n_layers} * config.n_heads);
  add(block.compensation_mlps, effects.mlps, config.n_layers);
  add(block.compensation_layer_norm, effects.layer_norm, 1);
}

// Logits [B, V] of residual rows `rows`; B is padded, row i of the result belongs to rows[i].
at::Tensor Unembed(const Weights& weights, const GptConfig& config, absl::Span<const at::Tensor> residuals,
                   absl::Span<const int64_t> rows, Workspace& workspace) {
  const int64_t padded = PadRows(static_cast<int64_t>(rows.size()));
  at::Tensor x = workspace.Take(Slot::kHeads, {padded, config.d_model});
  GatherRows(residuals, rows, x);
  at::Tensor buffer = workspace.Take(Slot::kNormed, {padded, config.d_model});
  const Operand operand = OperandOf(weights.unembedding);
  const at::Tensor normed =
      LayerNorm(x, weights.ln_f_weight, weights.ln_f_bias, config.layer_norm_epsilon, {}, operand, buffer);
  at::Tensor logits = workspace.Take(Slot::kLogits, {padded, LogitsStride(config)}).narrow(1, 0, config.vocab_size);
  if (!normed.is_cpu()) {
    GemmCuda(normed, weights.unembedding.t(), {}, kernels::GemmEpilogue::kNone, logits);
  } else if (operand == Operand::kBf16) {
    GemmBf16(normed, weights.unembedding.t(), 0.0F, logits);
  } else {
    at::mm_out(logits, normed, weights.unembedding.t());
  }
  return logits;
}

// What is asked of a block's logits: for each request a query, then one for each baseline, for the deltas, then one for
// each request with a donor.
class Queries {
 public:
  Queries(absl::Span<const Scan> scans, absl::Span<const ReadoutRequest> requests)
      : base_(requests.size()), donor_(requests.size()) {
    for (const ReadoutRequest& request : requests) {
      const Scan& scan = scans[request.scan];
      const int64_t baseline = PlaceOf(request.baseline_row);
      queries_.push_back({.query = {.row = PlaceOf(request.row), .baseline_row = baseline, .top_k = scan.top_k},
                          .answers = &AnswersOf(scan, request.position),
                          .reduction = scan.reduction});
    }
    absl::flat_hash_map<std::pair<int32_t, int64_t>, size_t> base_of;  // (scan, baseline row)
    for (size_t i = 0; i < requests.size(); ++i) {
      const auto [it, fresh] = base_of.try_emplace({requests[i].scan, requests[i].baseline_row}, queries_.size());
      base_[i] = it->second;
      if (!fresh) continue;
      SetQuery base = queries_[i];
      base.query.row = base.query.baseline_row;
      base.query.top_k = 0;
      queries_.push_back(base);
    }
    for (size_t i = 0; i < requests.size(); ++i) {
      if (requests[i].donor_row < 0) continue;
      donor_[i] = queries_.size();
      const int64_t row = queries_[i].query.row;
      queries_.push_back({.query = {.row = row, .baseline_row = PlaceOf(requests[i].donor_row)}, .answers = &kNothing});
    }
  }

  // The residual rows whose logits are needed, each once.
  absl::Span<const int64_t> rows() const { return rows_; }
  absl::Span<const SetQuery> queries() const { return queries_; }
  // Of request i: the answers to its baseline's query and to its donor's.
  size_t base(size_t i) const { return base_[i]; }
  size_t donor(size_t i) const { return donor_[i]; }

 private:
  int64_t PlaceOf(int64_t row) {
    const auto [it, fresh] = place_.try_emplace(row, static_cast<int64_t>(rows_.size()));
    if (fresh) rows_.push_back(row);
    return it->second;
  }

  std::vector<int64_t> rows_;
  absl::flat_hash_map<int64_t, int64_t> place_;
  std::vector<SetQuery> queries_;
  std::vector<size_t> base_, donor_;
};

// Room in the columns that a scan's rows fill.
void Reserve(const Answers& answers, bool has_donor, int32_t top_k, size_t rows, ReadoutBlock& block) {
  const auto reserve = [rows](std::initializer_list<std::vector<double>*> columns) {
    for (std::vector<double>* column : columns) column->reserve(rows);
  };
  block.variant.reserve(rows);
  block.position.reserve(rows);
  if (!answers.targets.empty()) {
    reserve({&block.target_logit, &block.delta_target_logit, &block.target_logprob, &block.delta_target_logprob,
             &block.target_prob, &block.delta_target_prob});
    block.target_rank.reserve(rows);
    block.target_is_top1.reserve(rows);
  }
  if (!answers.contrasts.empty()) {
    reserve(
        {&block.contrast_logit, &block.delta_contrast_logit, &block.contrast_logprob, &block.delta_contrast_logprob});
  }
  if (!answers.targets.empty() && !answers.contrasts.empty()) {
    reserve({&block.logit_diff, &block.delta_logit_diff, &block.prob_diff, &block.delta_prob_diff});
  }
  block.top1_id.reserve(rows);
  block.top1_preserved.reserve(rows);
  reserve({&block.kl_divergence, &block.entropy});
  if (has_donor) block.kl_from_donor.reserve(rows);
  block.top_k_id.reserve(rows * static_cast<size_t>(top_k));
  block.top_k_logprob.reserve(rows * static_cast<size_t>(top_k));
}

template <typename Value>
void AppendAll(absl::Span<const Scan> scans, const GptConfig& config, absl::Span<const ReadoutRequest> requests,
               const Queries& queries, const LogitsReadout& readout, const EffectRows& effects,
               std::vector<ReadoutBlock>& blocks) {
  size_t top_k_at = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    const ReadoutRequest& request = requests[i];
    const Scan& scan = scans[request.scan];
    if (i == 0 || requests[i - 1].scan != request.scan) {
      blocks.emplace_back();
      blocks.back().scan = request.scan;
      const auto is_other = [&](const ReadoutRequest& other) { return other.scan != request.scan; };
      const auto* const end = std::find_if(requests.begin() + i, requests.end(), is_other);
      Reserve(*queries.queries()[i].answers, request.donor_row >= 0, scan.top_k,
              static_cast<size_t>(end - requests.begin()) - i, blocks.back());
    }
    ReadoutBlock& block = blocks.back();
    Append<Value>(request, *queries.queries()[i].answers, readout.rows[i], readout.rows[queries.base(i)], block);
    if (request.donor_row >= 0) {
      block.kl_from_donor.push_back(static_cast<Value>(readout.rows[queries.donor(i)].kl_divergence));
    }
    if (scan.effects) AppendEffects<Value>(effects, request.effect, config, scan.compensation, block);
    for (int32_t k = 0; k < scan.top_k; ++k, ++top_k_at) {
      block.top_k_id.push_back(readout.top_k_id[top_k_at]);
      block.top_k_logprob.push_back(static_cast<Value>(readout.top_k_logprob[top_k_at]));
    }
  }
}

}  // namespace

int64_t LogitsStride(const GptConfig& config) {
  constexpr int64_t kAlignment = 64;
  return (config.vocab_size + kAlignment - 1) / kAlignment * kAlignment;
}

PendingBlocks ReadOut(const Weights& weights, const GptConfig& config, absl::Span<const Scan> scans,
                      absl::Span<const ReadoutRequest> requests, absl::Span<const at::Tensor> residuals,
                      Workspace& workspace) {
  Queries queries(scans, requests);
  const at::Tensor logits = Unembed(weights, config, residuals, queries.rows(), workspace);
  auto readout = MeasureAnswers(logits, queries.queries());
  const bool is_double = logits.scalar_type() == at::kDouble;
  return [&config, scans, is_double, queries = std::move(queries), readout = std::move(readout),
          requests = std::vector<ReadoutRequest>(requests.begin(), requests.end())](
             const EffectRows& effects, std::vector<ReadoutBlock>& blocks) mutable {
    const LogitsReadout answers = std::move(readout)();
    is_double ? AppendAll<double>(scans, config, requests, queries, answers, effects, blocks)
              : AppendAll<float>(scans, config, requests, queries, answers, effects, blocks);
  };
}

}  // namespace ablate
