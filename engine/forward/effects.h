// Direct effects of edits, and what the rest of the model does about them (docs/design.md, "Effects"): every part's
// contribution to u . logits at the read positions, u = W_U[targets] - W_U[contrasts], through the unedited run's frozen
// final LayerNorm. With g = gamma * u - mean(gamma * u) and the unedited sigma, a part c of the residual contributes
// c . g / sigma.
//
// The tap follows the plan's rows from layer to layer. A *cell* is one edited row at one read position of a scan that asks
// for effects: it holds how far each head and MLP has moved from the unedited run, and goes on from its parent's. All in
// float64, on the device of the forward pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
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
  // What a layer's unedited rows give at the read positions: K in all, the scans' one after the other.
  struct Unedited {
    at::Tensor z;      // [K, D]
    at::Tensor heads;  // [K, H], z . W_O g
    at::Tensor mlp;    // [K]
  };

  // Cells of the rows that leave a layer.
  struct Cells {
    // Of each outgoing row: its first cell (-1: none) and the read that it is for; its cells are consecutive.
    std::vector<int32_t> first_cell, first_read;
    std::vector<uint8_t> is_unedited;
    // Of each cell.
    std::vector<int64_t> token, direction;
    std::vector<int64_t> parent;  // cell of the layer before, + 1; 0: the unedited run
    std::vector<uint8_t> edited;  // [C, H]: heads that this layer edits at this position
  };

  void MakeDirections(const Chunk& chunk);
  Cells FindCells(const LayerPlan& plan);
  void MarkEdits(const LayerPlan& plan, int32_t row, int32_t position, Cells& cells) const;
  Unedited MeasureUnedited(const LayerOutput& out, const at::Tensor& head_weights, const at::Tensor& mlp_weights) const;
  void Inherit(const Cells& cells);

  const Weights& weights_;
  const GptConfig& config_;
  absl::Span<const Scan> scans_;

  std::vector<int64_t> first_direction_;  // [scans]: of read 0; -1: not in this chunk, or no effects
  at::Tensor g_;                          // [K, D]; undefined where no scan of the chunk has effects
  bool reports_unedited_ = false;

  std::vector<Unedited> unedited_;       // [L], kept for a cut prompt's later chunks
  at::Tensor unedited_final_;            // [K, D], r
  std::vector<int64_t> unedited_token_;  // [K], of the layer at hand

  // Row 0 of each is the unedited run's: all zero. Then the cells of the layer before.
  Cells cells_;
  at::Tensor heads_;         // [1 + C, L, H]
  at::Tensor mlps_;          // [1 + C, L]
  at::Tensor contribution_;  // [1 + C]
  at::Tensor direct_;        // [1 + C]
  at::Tensor change_;        // [1 + C, D], what the edits change in the residual directly
};

}  // namespace ablate
