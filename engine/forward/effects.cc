#include "engine/forward/effects.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "engine/forward/ops.h"

namespace ablate {
namespace {

at::Tensor Index(at::ArrayRef<int64_t> values, c10::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

at::Tensor IndexOf(const std::vector<int64_t>& values, int64_t first, int64_t n, c10::Device device) {
  return Index(at::ArrayRef<int64_t>(values).slice(first, n), device);
}

at::Tensor Rows(const at::Tensor& matrix, const at::Tensor& index) {
  return matrix.index_select(0, index).to(at::kDouble);
}

void Append(const at::Tensor& values, std::vector<double>& to) {
  const at::Tensor host = values.to(at::kCPU).contiguous();
  to.insert(to.end(), host.const_data_ptr<double>(), host.const_data_ptr<double>() + host.numel());
}

int64_t CellsAtOnce(c10::Device device) {
  return device.is_cpu() ? kCpuCellsAtOnce : kCudaCellsAtOnce;
}

// Mean of W_U's rows of a set, [D].
at::Tensor MeanUnembedding(const at::Tensor& unembedding, const std::vector<int32_t>& ids) {
  const std::vector<int64_t> rows(ids.begin(), ids.end());
  return Rows(unembedding, Index(rows, unembedding.device())).mean(0);
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
  keeps_unedited_ = chunk.keeps_baselines;
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

// Most scans have one answer for all their reads, and many share it.
void EffectsTap::MakeDirections(const Chunk& chunk) {
  first_read_.assign(scans_.size(), -1);
  unedited_.clear();
  g_.reset();
  absl::flat_hash_map<std::pair<std::vector<int32_t>, std::vector<int32_t>>, int64_t> known;
  std::vector<at::Tensor> directions;       // A x [D]
  std::vector<int64_t> direction_of_reads;  // [K]
  for (const Row& row : chunk.layers.at(0).rows) {
    const Scan& scan = scans_[row.prompt];
    if (row.is_donor || !scan.effects) continue;
    first_read_[row.prompt] = static_cast<int64_t>(direction_of_reads.size());
    for (size_t i = 0; i < scan.read_positions.size(); ++i) {
      const Answers& answers = scan.AnswersAt(i);
      const auto [at, is_new] = known.try_emplace({answers.targets, answers.contrasts}, known.size());
      direction_of_reads.push_back(at->second);
      if (!is_new) continue;
      directions.push_back(MeanUnembedding(weights_.unembedding, answers.targets) -
                           MeanUnembedding(weights_.unembedding, answers.contrasts));
    }
  }
  if (directions.empty()) return;
  const at::Tensor scaled = at::stack(directions) * weights_.ln_f_weight.to(at::kDouble);  // [A, D]
  g_ = scaled - scaled.mean(1, /*keepdim=*/true);
  direction_of_read_ = Index(direction_of_reads, g_.device());
}

void EffectsTap::Layer(const LayerPlan& plan, const LayerOutput& out) {
  if (!g_.defined()) return;
  const LayerWeights& weights = weights_.layers[plan.layer];
  const at::Tensor w_o = weights.c_proj_weight.to(at::kDouble);  // [D, D]
  const Weighed weighed = {.heads = PaddedMatmul(g_, w_o.t()),
                           .mlp = PaddedMatmul(g_, weights.mlp_c_proj_weight.to(at::kDouble).t())};
  EffectCells cells = FindCells(plan, cells_, {scans_, first_read_, direction_of_read_.size(0), config_.n_heads});
  Inherit(cells);
  cells_ = std::move(cells);
  if (reports_unedited_) {
    if (!keeps_unedited_) unedited_.clear();
    unedited_.push_back(MeasureUnedited(out, weighed));
  }
  const auto n_cells = static_cast<int64_t>(cells_.token.size());  // C
  const int64_t at_once = CellsAtOnce(g_.device());
  for (int64_t first = 0; first < n_cells; first += at_once) {
    MeasureCells(plan.layer, out, weighed, w_o, first, std::min(at_once, n_cells - first));
  }
}

void EffectsTap::MeasureCells(int32_t layer, const LayerOutput& out, const Weighed& weighed, const at::Tensor& w_o,
                              int64_t first, int64_t n) {
  const int64_t h = config_.n_heads, dh = config_.d_head, d = config_.d_model;
  const Unedited& unedited = reports_unedited_ ? unedited_.back() : unedited_.at(layer);
  const at::Tensor token = IndexOf(cells_.token, first, n, g_.device());  // [n]
  const at::Tensor read = IndexOf(cells_.read, first, n, g_.device());    // [n]
  const at::Tensor direction = direction_of_read_.index_select(0, read);  // [n]
  const absl::Span<const uint8_t> flags = absl::MakeConstSpan(cells_.edited).subspan(first * h, n * h);
  const at::Tensor edited = at::tensor(at::ArrayRef<uint8_t>(flags.data(), flags.size()), at::kByte)
                                .view({n, h})
                                .to(g_.device(), at::kDouble);
  const at::Tensor z = Rows(out.z_out, token);           // [n, D]
  const at::Tensor before = Rows(unedited.heads, read);  // [n, H]
  const at::Tensor after = (z * Rows(weighed.heads, direction)).view({n, h, dh}).sum(2);
  const at::Tensor moved = after - before;
  heads_.narrow(0, 1 + first, n).select(1, layer).copy_(moved * (1 - edited));
  direct_.narrow(0, 1 + first, n).add_((moved * edited).sum(1));
  contribution_.narrow(0, 1 + first, n).add_((before * edited).sum(1));

  const at::Tensor hidden = Rows(out.hidden, token);  // [n, Dm]
  mlps_.narrow(0, 1 + first, n)
      .select(1, layer)
      .copy_(RowDot(hidden, Rows(weighed.mlp, direction)) - Rows(unedited.mlp, read));

  std::vector<int64_t> fresh_cells;  // that this layer edits
  for (int64_t c = 0; c < n; ++c) {
    if (std::any_of(flags.begin() + c * h, flags.begin() + (c + 1) * h, [](uint8_t flag) { return flag != 0; })) {
      fresh_cells.push_back(c);
    }
  }
  if (fresh_cells.empty()) return;
  const at::Tensor fresh = Index(fresh_cells, g_.device());
  const at::Tensor change = (Rows(z, fresh) - Rows(unedited.z, read.index_select(0, fresh))).view({-1, h, dh}) *
                            edited.index_select(0, fresh).unsqueeze(2);  // [fresh, H, Dh]
  change_.index_add_(0, fresh + (1 + first), PaddedMatmul(change.reshape({-1, d}), w_o));
}

EffectsTap::Unedited EffectsTap::MeasureUnedited(const LayerOutput& out, const Weighed& weighed) const {
  const int64_t h = config_.n_heads, dh = config_.d_head;
  const auto n_reads = static_cast<int64_t>(cells_.unedited_token.size());  // K
  const int64_t at_once = CellsAtOnce(g_.device());
  std::vector<at::Tensor> z, heads, mlp;
  for (int64_t first = 0; first < n_reads; first += at_once) {
    const int64_t n = std::min(at_once, n_reads - first);
    const at::Tensor token = IndexOf(cells_.unedited_token, first, n, g_.device());  // [n]
    const at::Tensor direction = direction_of_read_.narrow(0, first, n);             // [n]
    z.push_back(Rows(out.z_out, token));
    heads.push_back((z.back() * Rows(weighed.heads, direction)).view({-1, h, dh}).sum(2));
    mlp.push_back(RowDot(Rows(out.hidden, token), Rows(weighed.mlp, direction)));
  }
  return {at::cat(z), at::cat(heads), at::cat(mlp)};
}

// Every cell goes on from its parent's; row 0, the unedited run's, stays.
void EffectsTap::Inherit(const EffectCells& cells) {
  std::vector<int64_t> index = {0};
  index.insert(index.end(), cells.parent.begin(), cells.parent.end());
  const at::Tensor from = Index(index, g_.device());
  for (at::Tensor* state : {&heads_, &mlps_, &contribution_, &direct_, &change_}) *state = state->index_select(0, from);
}

EffectRows EffectsTap::Finish(const at::Tensor& x) {
  EffectRows rows;
  if (!g_.defined()) return rows;
  // Other scans may run before the next chunk, which begins anew but for what it needs of the unedited run.
  const auto release = absl::MakeCleanup([this] {
    for (at::Tensor* state : {&heads_, &mlps_, &contribution_, &direct_, &change_}) state->reset();
    if (reports_unedited_ && !keeps_unedited_) unedited_.clear();
  });
  if (reports_unedited_) unedited_final_ = Rows(x, Index(cells_.unedited_token, g_.device()));
  const auto n_cells = static_cast<int64_t>(cells_.token.size());  // C
  if (n_cells == 0) return rows;
  rows.cell_of_token.assign(x.size(0), -1);
  for (int64_t c = 0; c < n_cells; ++c) rows.cell_of_token[cells_.token[c]] = static_cast<int32_t>(c);
  const int64_t at_once = CellsAtOnce(g_.device());
  for (int64_t first = 0; first < n_cells; first += at_once) {
    FinishCells(x, first, std::min(at_once, n_cells - first), rows);
  }
  return rows;
}

void EffectsTap::FinishCells(const at::Tensor& x, int64_t first, int64_t n, EffectRows& rows) const {
  const double epsilon = config_.layer_norm_epsilon;
  const at::Tensor read = IndexOf(cells_.read, first, n, g_.device());                // [n]
  const at::Tensor g = Rows(g_, direction_of_read_.index_select(0, read));            // [n, D]
  const at::Tensor r = Rows(unedited_final_, read);                                   // [n, D]
  const at::Tensor r_edited = Rows(x, IndexOf(cells_.token, first, n, g_.device()));  // [n, D]
  const at::Tensor scale = InverseSigma(r, epsilon);                                  // [n], frozen
  const auto of_cells = [&](const at::Tensor& state) { return state.narrow(0, 1 + first, n); };
  Append(of_cells(contribution_) * scale, rows.direct_contribution);
  Append(of_cells(direct_) * scale, rows.direct_effect);
  Append(of_cells(heads_) * scale.view({-1, 1, 1}), rows.heads);
  Append(of_cells(mlps_) * scale.view({-1, 1}), rows.mlps);
  Append(RowDot(r_edited, g) * (InverseSigma(r_edited, epsilon) - scale), rows.layer_norm);
  const at::Tensor live = r + of_cells(change_);
  Append(RowDot(live, g) * InverseSigma(live, epsilon) - RowDot(r, g) * scale, rows.direct_effect_live);
}

}  // namespace ablate
