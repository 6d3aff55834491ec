#include "engine/forward/effects.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <utility>

#include "engine/forward/ops.h"

namespace ablate {
namespace {

at::Tensor Index(const std::vector<int64_t>& values, c10::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

at::Tensor Rows(const at::Tensor& matrix, const at::Tensor& index) {
  return matrix.index_select(0, index).to(at::kDouble);
}

std::vector<double> OnHost(const at::Tensor& values) {
  const at::Tensor host = values.to(at::kCPU).contiguous();
  return {host.const_data_ptr<double>(), host.const_data_ptr<double>() + host.numel()};
}

// Mean of W_U's rows of a set, [D].
at::Tensor MeanUnembedding(const at::Tensor& wte, const std::vector<int32_t>& ids) {
  const std::vector<int64_t> rows(ids.begin(), ids.end());
  return Rows(wte, Index(rows, wte.device())).mean(0);
}

// 1 / sigma of a LayerNorm over each row of x [n, D].
at::Tensor InverseSigma(const at::Tensor& x, double epsilon) {
  return at::rsqrt(at::var(x, at::IntArrayRef{1}, /*unbiased=*/false) + epsilon);
}

// rows . matrix, with as many rows as every GEMM on the CPU is given: their bits do not depend on how many there are.
at::Tensor PaddedMatmul(const at::Tensor& rows, const at::Tensor& matrix) {
  const int64_t n = rows.size(0);
  at::Tensor padded = at::zeros({PadRows(n), rows.size(1)}, rows.options());
  padded.narrow(0, 0, n).copy_(rows);
  return padded.matmul(matrix).narrow(0, 0, n);
}

at::Tensor RowDot(const at::Tensor& a, const at::Tensor& b) {
  return (a * b).sum(1);
}

}  // namespace

void EffectsTap::Begin(const Chunk& chunk) {
  reports_unedited_ = std::any_of(chunk.reads.begin(), chunk.reads.end(),
                                  [](const ReadPoint& read) { return read.variant == kBaselineVariant; });
  if (reports_unedited_) MakeDirections(chunk);
  if (!g_.defined()) return;
  const auto options = g_.options();
  cells_ = {};
  heads_ = at::zeros({1, config_.n_layers, config_.n_heads}, options);
  mlps_ = at::zeros({1, config_.n_layers}, options);
  contribution_ = at::zeros({1}, options);
  direct_ = at::zeros({1}, options);
  change_ = at::zeros({1, config_.d_model}, options);
}

void EffectsTap::MakeDirections(const Chunk& chunk) {
  first_direction_.assign(scans_.size(), -1);
  unedited_.clear();
  g_.reset();
  std::vector<at::Tensor> directions;  // K x [D]
  for (const Row& row : chunk.layers.at(0).rows) {
    const Scan& scan = scans_[row.prompt];
    if (row.is_donor || !scan.effects) continue;
    first_direction_[row.prompt] = static_cast<int64_t>(directions.size());
    for (size_t i = 0; i < scan.read_positions.size(); ++i) {
      const Answers& answers = scan.AnswersAt(i);
      directions.push_back(MeanUnembedding(weights_.wte, answers.targets) -
                           MeanUnembedding(weights_.wte, answers.contrasts));
    }
  }
  if (directions.empty()) return;
  const at::Tensor scaled = at::stack(directions) * weights_.ln_f_weight.to(at::kDouble);  // [K, D]
  g_ = scaled - scaled.mean(1, /*keepdim=*/true);
}

void EffectsTap::Layer(const LayerPlan& plan, const LayerOutput& out) {
  if (!g_.defined()) return;
  const LayerWeights& weights = weights_.layers[plan.layer];
  const int64_t h = config_.n_heads, dh = config_.d_head, d = config_.d_model;
  const at::Tensor w_o = weights.c_proj_weight.to(at::kDouble);                                    // [D, D]
  const at::Tensor head_weights = PaddedMatmul(g_, w_o.t());                                       // [K, D], W_O g
  const at::Tensor mlp_weights = PaddedMatmul(g_, weights.mlp_c_proj_weight.to(at::kDouble).t());  // [K, Dm]
  Cells cells = FindCells(plan);
  if (reports_unedited_) unedited_.push_back(MeasureUnedited(out, head_weights, mlp_weights));
  Inherit(cells);
  cells_ = std::move(cells);
  const auto n_cells = static_cast<int64_t>(cells_.token.size());  // C
  if (n_cells == 0) return;

  const Unedited& unedited = unedited_.at(plan.layer);
  const at::Tensor token = Index(cells_.token, g_.device());
  const at::Tensor direction = Index(cells_.direction, g_.device());
  const at::Tensor edited = at::tensor(cells_.edited, at::kByte).view({n_cells, h}).to(g_.device(), at::kDouble);
  const at::Tensor z = Rows(out.z_out.view({-1, d}), token);  // [C, D]
  const at::Tensor before = Rows(unedited.heads, direction);  // [C, H]
  const at::Tensor after = (z * Rows(head_weights, direction)).view({n_cells, h, dh}).sum(2);
  const at::Tensor moved = after - before;
  heads_.narrow(0, 1, n_cells).select(1, plan.layer).copy_(moved * (1 - edited));
  direct_.narrow(0, 1, n_cells).add_((moved * edited).sum(1));
  contribution_.narrow(0, 1, n_cells).add_((before * edited).sum(1));

  const at::Tensor hidden = Rows(out.hidden, token);  // [C, Dm]
  mlps_.narrow(0, 1, n_cells)
      .select(1, plan.layer)
      .copy_(RowDot(hidden, Rows(mlp_weights, direction)) - Rows(unedited.mlp, direction));

  const at::Tensor fresh = edited.any(1).nonzero().squeeze(1);  // cells that this layer edits
  if (fresh.size(0) == 0) return;
  const at::Tensor change = (Rows(z, fresh) - Rows(unedited.z, direction.index_select(0, fresh))).view({-1, h, dh}) *
                            edited.index_select(0, fresh).unsqueeze(2);  // [fresh, H, Dh]
  change_.index_add_(0, fresh + 1, PaddedMatmul(change.reshape({-1, d}), w_o));
}

EffectsTap::Cells EffectsTap::FindCells(const LayerPlan& plan) {
  Cells cells;
  const size_t n_rows = plan.parent.size();
  cells.first_cell.assign(n_rows, -1);
  cells.first_read.assign(n_rows, 0);
  cells.is_unedited.assign(n_rows, 0);
  for (size_t r = 0; r < n_rows; ++r) {
    const bool parent_is = cells_.is_unedited.empty() || cells_.is_unedited[plan.parent[r]] != 0;
    cells.is_unedited[r] = parent_is && plan.row_edit_begin[r] == plan.row_edit_begin[r + 1];
  }
  unedited_token_.assign(g_.size(0), 0);
  for (size_t m = 0; m < plan.row.size(); ++m) {
    const int32_t row = plan.row[m], position = plan.position[m], parent = plan.parent[row];
    const Row& from = plan.rows[parent];
    const int64_t first_direction = first_direction_[from.prompt];
    if (first_direction < 0 || (from.is_donor && cells.is_unedited[row] != 0)) continue;
    const std::vector<int32_t>& reads = scans_[from.prompt].read_positions;
    const auto found = std::lower_bound(reads.begin(), reads.end(), position);
    if (found == reads.end() || *found != position) continue;
    const auto read = static_cast<int32_t>(found - reads.begin());
    if (cells.is_unedited[row] != 0) {
      unedited_token_[first_direction + read] = static_cast<int64_t>(m);
      continue;
    }
    if (cells.first_cell[row] < 0) {
      cells.first_cell[row] = static_cast<int32_t>(cells.token.size());
      cells.first_read[row] = read;
    }
    cells.token.push_back(static_cast<int64_t>(m));
    cells.direction.push_back(first_direction + read);
    const bool has_parent =
        !cells_.first_cell.empty() && cells_.first_cell[parent] >= 0 && read >= cells_.first_read[parent];
    cells.parent.push_back(has_parent ? 1 + cells_.first_cell[parent] + read - cells_.first_read[parent] : 0);
    MarkEdits(plan, row, position, cells);
  }
  return cells;
}

void EffectsTap::MarkEdits(const LayerPlan& plan, int32_t row, int32_t position, Cells& cells) const {
  const size_t begin = cells.edited.size();
  cells.edited.resize(begin + config_.n_heads, 0);
  for (int32_t e = plan.row_edit_begin[row]; e < plan.row_edit_begin[row + 1]; ++e) {
    const RowEdit& edit = plan.row_edits[e];
    if (edit.positions.begin <= position && position < edit.positions.end) cells.edited[begin + edit.head] = 1;
  }
}

EffectsTap::Unedited EffectsTap::MeasureUnedited(const LayerOutput& out, const at::Tensor& head_weights,
                                                 const at::Tensor& mlp_weights) const {
  const at::Tensor token = Index(unedited_token_, g_.device());
  Unedited unedited;
  unedited.z = Rows(out.z_out.view({-1, int64_t{config_.d_model}}), token);
  unedited.heads = (unedited.z * head_weights).view({-1, int64_t{config_.n_heads}, int64_t{config_.d_head}}).sum(2);
  unedited.mlp = RowDot(Rows(out.hidden, token), mlp_weights);
  return unedited;
}

// Every cell goes on from its parent's; row 0, the unedited run's, stays.
void EffectsTap::Inherit(const Cells& cells) {
  std::vector<int64_t> index = {0};
  index.insert(index.end(), cells.parent.begin(), cells.parent.end());
  const at::Tensor from = Index(index, g_.device());
  for (at::Tensor* state : {&heads_, &mlps_, &contribution_, &direct_, &change_}) *state = state->index_select(0, from);
}

EffectRows EffectsTap::Finish(const at::Tensor& x) {
  EffectRows rows;
  if (!g_.defined()) return rows;
  if (reports_unedited_) unedited_final_ = Rows(x, Index(unedited_token_, g_.device()));
  const auto n_cells = static_cast<int64_t>(cells_.token.size());  // C
  if (n_cells == 0) return rows;
  rows.cell_of_token.assign(x.size(0), -1);
  for (int64_t c = 0; c < n_cells; ++c) rows.cell_of_token[cells_.token[c]] = static_cast<int32_t>(c);

  const double epsilon = config_.layer_norm_epsilon;
  const at::Tensor direction = Index(cells_.direction, g_.device());
  const at::Tensor g = Rows(g_, direction);                               // [C, D]
  const at::Tensor r = Rows(unedited_final_, direction);                  // [C, D]
  const at::Tensor r_edited = Rows(x, Index(cells_.token, g_.device()));  // [C, D]
  const at::Tensor scale = InverseSigma(r, epsilon);                      // [C], frozen
  const auto of_cells = [&](const at::Tensor& state) { return state.narrow(0, 1, n_cells); };
  rows.direct_contribution = OnHost(of_cells(contribution_) * scale);
  rows.direct_effect = OnHost(of_cells(direct_) * scale);
  rows.heads = OnHost(of_cells(heads_) * scale.view({-1, 1, 1}));
  rows.mlps = OnHost(of_cells(mlps_) * scale.view({-1, 1}));
  rows.layer_norm = OnHost(RowDot(r_edited, g) * (InverseSigma(r_edited, epsilon) - scale));
  const at::Tensor live = r + of_cells(change_);
  rows.direct_effect_live = OnHost(RowDot(live, g) * InverseSigma(live, epsilon) - RowDot(r, g) * scale);
  return rows;
}

}  // namespace ablate
