#include "engine/forward/layer.h"

#include <algorithm>

#include "engine/forward/ops.h"

namespace ablate {

void ReserveFor(const PassShape& shape, const GptConfig& config, Workspace& workspace) {
  int64_t n = 0, m = 0;
  for (const LayerShape& layer : shape.layers) {
    n = std::max(n, layer.tokens_in);
    m = std::max(m, layer.tokens_out);
  }
  const int64_t d = config.d_model;
  for (const Slot slot : {Slot::kResidualA, Slot::kResidualB, Slot::kNormed}) {
    workspace.Reserve(slot, std::max(n, m) * d);
  }
  workspace.Reserve(Slot::kHeads, n * d);
  workspace.Reserve(Slot::kEditedHeads, m * d);
  workspace.Reserve(Slot::kHidden, std::max(n * 3 * d, m * config.d_mlp));
}

LayerOutput RunLayer(const LayerWeights& weights, const GptConfig& config, const LayerPlan& plan,
                     const LayerTables& tables, const at::Tensor& edit_table, at::Tensor x, Workspace& workspace) {
  const int64_t n = x.size(0);                   // N, padded
  const int64_t m = PadRows(tables.tokens_out);  // M, padded
  const int64_t d = config.d_model;
  const int64_t h = config.n_heads;
  const int64_t dh = config.d_head;
  const double epsilon = config.layer_norm_epsilon;

  const Operand operand = OperandOf(weights.c_attn_weight);

  at::Tensor normed_buffer = workspace.Take(Slot::kNormed, {n, d});
  at::Tensor qkv = workspace.Take(Slot::kHidden, {n, 3 * d});
  at::Tensor normed = LayerNorm(x, weights.ln_1_weight, weights.ln_1_bias, epsilon, {}, operand, normed_buffer);
  Linear(normed, weights.c_attn_weight, {}, Epilogue::kNone, qkv);

  at::Tensor z = workspace.Take(Slot::kHeads, {n, h, dh});
  Attend(qkv.view({n, 3, h, dh}), weights.c_attn_bias, plan.rows, tables, operand, z);

  at::Tensor x_out = workspace.TakeOther(x, {m, d});
  at::Tensor edited = workspace.Take(Slot::kEditedHeads, {m, h, dh});
  FanOut(x, z, weights.c_proj_bias, edit_table, tables, x_out, edited);
  at::Tensor edited_rows = edited.view({m, d});
  const at::Tensor z_out = AsOperand(edited_rows, operand);
  Linear(z_out, weights.c_proj_weight, {}, Epilogue::kAddTo, x_out);

  normed_buffer = workspace.Take(Slot::kNormed, {m, d});
  at::Tensor hidden_buffer = workspace.Take(Slot::kHidden, {m, config.d_mlp});
  normed = LayerNorm(x_out, weights.ln_2_weight, weights.ln_2_bias, epsilon, weights.mlp_c_proj_bias, operand,
                     normed_buffer);
  const at::Tensor hidden = Linear(normed, weights.c_fc_weight, weights.c_fc_bias, Epilogue::kGeluTanh, hidden_buffer);
  Linear(hidden, weights.mlp_c_proj_weight, {}, Epilogue::kAddTo, x_out);
  return {x_out, z, z_out, hidden};
}

}  // namespace ablate
