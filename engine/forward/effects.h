// Direct effects of edits, and what the rest of the model does about them (docs/design.md, "Effects"): every part's
// contribution to u . logits at the read positions, u = W_U[targets] - W_U[contrasts], through the unedited run's
// frozen final LayerNorm. With g = gamma * u - mean(gamma * u) and the unedited sigma, a part c of the residual
// contributes c . g / sigma.
//
// The tap follows the plan's rows from layer to layer: a cell (effect_cells.h) holds how far each head and MLP has
// moved from the unedited run, and goes on from its parent's. All in float64, on the device of the forward pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/forward/effect_cells.h"
#include "engine/forward/layer.h"
#include "engine/forward/weights.h"
#include "engine/model/config.h"
#include "engine/plan/plan.h"
#include "engine/types.h"

namespace ablate {

// The effects of a chunk's cells, on the host.
struct EffectRows {
  // Of the last layer's outgoing tokens: the cell, -1 where there is none.
  std::vector<int32_t> cell_of_token;
  // [C]
  std::vector<double> direct_contribution, direct_effect, direct_effect_live, layer_norm;
  // [C, L, H], without what the edited heads do themselves; [C, L].
  std::vector<double> heads, mlps;

  int32_t OfToken(int32_t token) const {
    return static_cast<size_t>(token) < cell_of_token.size() ? cell_of_token[token] : -1;
  }
};

// Most cells that are measured at a time: each takes some vectors of the MLP's width in float64. On a GPU, enough to
// keep it busy.
inline constexpr int64_t kCpuCellsAtOnce = 256;
inline constexpr int64_t kCudaCellsAtOnce = 4096;

// For the thread that owns the device. Does nothing for scans that ask for no effects.
class EffectsTap {
 public:
  // All of them outlive the tap.
  EffectsTap(const Weights& weights, const GptConfig& config, absl::Span<const Scan> scans)
      : weights_(weights), config_(config), scans_(scans) {}

  // Chunks come in the plan's order: the later ones of a cut prompt use what its first one kept.
  void Begin(const Chunk& chunk);
  void Layer(const LayerPlan& plan, const LayerOutput& out);
  // x [M, D] leaves the last layer.
  EffectRows Finish(const at::Tensor& x);

 private:
  // What a layer's unedited rows give at the reads: K in all, the scans' read positions one after the other.
  struct Unedited {
    at::Tensor z;      // [K, D]
    at::Tensor heads;  // [K, H], z . W_O g
    at::Tensor mlp;    // [K]
  };

  // A layer's W_O g and W_out g, of the directions.
  struct Weighed {
    at::Tensor heads;  // [A, D]
    at::Tensor mlp;    // [A, Dm]
  };

  void MakeDirections(const Chunk& chunk);
  Unedited MeasureUnedited(const LayerOutput& out, const Weighed& weighed) const;
  void Inherit(const EffectCells& cells);
  // Of `n` cells from `first` on.
  void MeasureCells(int32_t layer, const LayerOutput& out, const Weighed& weighed, const at::Tensor& w_o, int64_t first,
                    int64_t n);
  void FinishCells(const at::Tensor& x, int64_t first, int64_t n, EffectRows& rows) const;

  const Weights& weights_;
  const GptConfig& config_;
  absl::Span<const Scan> scans_;

  std::vector<int64_t> first_read_;  // [scans]: in 0 .. K - 1; -1: not in this chunk, or no effects
  at::Tensor direction_of_read_;     // [K], rows of g_
  at::Tensor g_;                     // [A, D], one a different answer; undefined where no scan of the chunk has effects
  bool reports_unedited_ = false, keeps_unedited_ = false;  // of the chunk at hand

  std::vector<Unedited> unedited_;  // the layer's at hand; [L] for a cut prompt's later chunks
  at::Tensor unedited_final_;       // [K, D], r

  // Row 0 of each is the unedited run's: all zero. Then the cells of the layer before.
  EffectCells cells_;
  at::Tensor heads_;         // [1 + C, L, H]
  at::Tensor mlps_;          // [1 + C, L]
  at::Tensor contribution_;  // [1 + C]
  at::Tensor direct_;        // [1 + C]
  at::Tensor change_;        // [1 + C, D], what the edits change in the residual directly
};

}  // namespace ablate
