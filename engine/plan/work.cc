#include "engine/plan/work.h"

#include "absl/numeric/int128.h"

namespace ablate {
namespace {

int64_t Counted(absl::int128 exact) {
  return exact > kMostCounted ? kMostCounted : static_cast<int64_t>(exact);
}

}  // namespace

LayerWork& LayerWork::operator+=(const LayerWork& more) {
  passes += more.passes;
  rows_in += more.rows_in;
  rows_out += more.rows_out;
  tokens_in += more.tokens_in;
  tokens_out += more.tokens_out;
  attention_pairs += more.attention_pairs;
  return *this;
}

WorkFigures FiguresOf(const PlanWork& work, const WorkShape& shape) {
  const absl::int128 d = shape.d_model, dm = shape.d_mlp, v = shape.vocab_size;
  LayerWork sum;
  for (const LayerWork& layer : work) sum += layer;
  const LayerWork last = work.empty() ? LayerWork() : work.back();
  WorkFigures figures;
  figures.gemm_flops = Counted(2 * (3 * d * d * sum.tokens_in + (d * d + 2 * d * dm) * sum.tokens_out));
  figures.attention_flops = Counted(4 * d * sum.attention_pairs);
  figures.readout_flops = Counted(2 * d * v * last.tokens_out);
  figures.weights_moved = Counted((4 * d * d + 2 * d * dm) * sum.passes + d * v * last.passes);
  figures.residuals_moved = Counted(d * sum.tokens_in + d * sum.tokens_out);
  return figures;
}

}  // namespace ablate
