#include "engine/plan/work.h"

namespace ablate {

WorkFigures FiguresOf(const PlanWork& work, const WorkShape& shape) {
  const int64_t d = shape.d_model, dm = shape.d_mlp, v = shape.vocab_size;
  WorkFigures figures;
  for (const LayerWork& layer : work) {
    figures.gemm_flops += 2 * (layer.tokens_in * 3 * d * d + layer.tokens_out * (d * d + 2 * d * dm));
    figures.attention_flops += 4 * d * layer.attention_pairs;
    figures.weights_moved += layer.passes * (4 * d * d + 2 * d * dm);
    figures.residuals_moved += (layer.tokens_in + layer.tokens_out) * d;
  }
  if (work.empty()) return figures;
  figures.readout_flops = 2 * work.back().tokens_out * d * v;
  figures.weights_moved += work.back().passes * d * v;
  return figures;
}

}  // namespace ablate
