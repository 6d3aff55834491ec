// What a plan asks of a machine, counted before anything runs.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace ablate {

// One layer, summed over the forward passes.
struct LayerWork {
  // Forward passes that run it.
  int64_t passes = 0;
  int64_t rows_in = 0;
  int64_t rows_out = 0;
  // N: packed tokens that enter, for which Q, K and V are made.
  int64_t tokens_in = 0;
  // M: packed tokens that leave, which c_proj and the MLP run on.
  int64_t tokens_out = 0;
  // (query, key) pairs that causality lets through, for one head.
  int64_t attention_pairs = 0;

  LayerWork& operator+=(const LayerWork& more);
};

// By layer, [n_layers].
using PlanWork = std::vector<LayerWork>;

// Of a GPT-2, as far as it matters here.
struct WorkShape {
  int32_t d_model = 0;
  int32_t d_mlp = 0;
  int32_t vocab_size = 0;
};

// Where counting ends: what has more than this stays at it.
inline constexpr int64_t kMostCounted = std::numeric_limits<int64_t>::max();

// Multiply-adds count as two operations. Each figure is at most kMostCounted.
struct WorkFigures {
  // c_attn, c_proj, c_fc and the MLP's c_proj: 2 (3 N D^2 + M D^2 + 2 M D d_mlp) a layer.
  int64_t gemm_flops = 0;
  // Q K^T and P V: 4 D for each pair.
  int64_t attention_flops = 0;
  // The LM head, on each token that leaves the last layer: 2 M D V.
  int64_t readout_flops = 0;
  // Elements that are read from memory or written, where caches keep nothing from layer to layer: a layer's matrices
  // once for each pass that runs it, and the LM head's once for each pass; the residual that enters and that leaves.
  int64_t weights_moved = 0;
  int64_t residuals_moved = 0;

  // Of figures that are far from it.
  int64_t flops() const { return gemm_flops + attention_flops + readout_flops; }
  int64_t elements_moved() const { return weights_moved + residuals_moved; }
};

WorkFigures FiguresOf(const PlanWork& work, const WorkShape& shape);

}  // namespace ablate
