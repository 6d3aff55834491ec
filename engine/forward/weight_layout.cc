#include "engine/forward/weight_layout.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "engine/forward/cuda_launch.h"
#include "engine/forward/gemm_cuda.h"
#include "kernels/time_launches.h"

namespace ablate {
namespace {

// Rows that the weights meet: enough to fill a large GPU.
constexpr int64_t kRows = 2048;
constexpr int kRuns = 10, kReadings = 3;

double Microseconds(const at::Tensor& weight) {
  const at::Tensor x = at::zeros({kRows, weight.size(0)}, weight.options());
  at::Tensor out = at::empty({kRows, weight.size(1)}, weight.options().dtype(at::kFloat));
  const auto launch = [&] {
    GemmCuda(x, weight, {}, kernels::GemmEpilogue::kNone, out);
    return true;
  };
  double best = std::numeric_limits<double>::infinity();
  for (int reading = 0; reading < kReadings; ++reading) {
    best = std::min(best, kernels::TimeLaunches(kRuns, StreamOf(out), launch).value_or(best));
  }
  return best;
}

}  // namespace

bool IsWorthTransposing(double by_rows, double by_columns) {
  constexpr double kNoise = 0.97;
  return by_columns < kNoise * by_rows;
}

at::Tensor ByColumns(const at::Tensor& weight) {
  return weight.t().contiguous().t();
}

void ArrangeWeights(Weights& weights) {
  for (at::Tensor LayerWeights::* const kind : {&LayerWeights::c_attn_weight, &LayerWeights::c_proj_weight,
                                                &LayerWeights::c_fc_weight, &LayerWeights::mlp_c_proj_weight}) {
    const at::Tensor& first = weights.layers.at(0).*kind;
    if (!IsWorthTransposing(Microseconds(first), Microseconds(ByColumns(first)))) continue;
    for (LayerWeights& layer : weights.layers) layer.*kind = ByColumns(layer.*kind);
  }
}

}  // namespace ablate
