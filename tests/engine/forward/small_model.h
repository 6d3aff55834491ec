// A small model with random weights, for tests of the forward pass that load none.
#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <cstdint>

#include "engine/forward/weights.h"
#include "engine/model/config.h"

namespace ablate {

inline constexpr int32_t kLayers = 3, kHeads = 4, kHeadSize = 8, kModel = kHeads * kHeadSize;
inline constexpr int32_t kVocab = 50, kPositions = 16;

inline GptConfig SmallConfig() {
  GptConfig config;
  config.n_layers = kLayers;
  config.n_heads = kHeads;
  config.d_head = kHeadSize;
  config.d_model = kModel;
  config.d_mlp = 4 * kModel;
  config.vocab_size = kVocab;
  config.n_positions = kPositions;
  config.layer_norm_epsilon = 1e-5;
  return config;
}

inline Weights RandomWeights() {
  at::manual_seed(1);
  Weights weights;
  weights.wte = at::randn({kVocab, kModel});
  weights.wpe = at::randn({kPositions, kModel});
  const auto matrix = [](int64_t in, int64_t out) { return at::randn({in, out}) / std::sqrt(static_cast<double>(in)); };
  for (int32_t layer = 0; layer < kLayers; ++layer) {
    weights.layers.push_back({.ln_1_weight = at::randn({kModel}),
                              .ln_1_bias = at::randn({kModel}),
                              .c_attn_weight = matrix(kModel, 3 * kModel),
                              .c_attn_bias = at::randn({3 * kModel}),
                              .c_proj_weight = matrix(kModel, kModel),
                              .c_proj_bias = at::randn({kModel}),
                              .ln_2_weight = at::randn({kModel}),
                              .ln_2_bias = at::randn({kModel}),
                              .c_fc_weight = matrix(kModel, 4 * kModel),
                              .c_fc_bias = at::randn({4 * kModel}),
                              .mlp_c_proj_weight = matrix(4 * kModel, kModel),
                              .mlp_c_proj_bias = at::randn({kModel})});
  }
  return weights;
}

}  // namespace ablate
