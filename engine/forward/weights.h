// A GPT-2's weights as tensors on a device, in the precision of the forward pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/checkpoint.h"
#include "engine/model/config.h"
#include "engine/types.h"

namespace ablate {

// One block. Matrices are (in, out), as in Hugging Face's Conv1D; bfloat16 in that precision, as `unembedding` is, and
// all else float32.
struct LayerWeights {
  at::Tensor ln_1_weight, ln_1_bias;              // [D]
  at::Tensor c_attn_weight, c_attn_bias;          // [D, 3D], [3D]
  at::Tensor c_proj_weight, c_proj_bias;          // [D, D], [D]; head h is rows Dh*h .. Dh*h + Dh - 1
  at::Tensor ln_2_weight, ln_2_bias;              // [D]
  at::Tensor c_fc_weight, c_fc_bias;              // [D, Dm], [Dm]
  at::Tensor mlp_c_proj_weight, mlp_c_proj_bias;  // [Dm, D], [D]
};

struct Weights {
  at::Tensor wte;                     // [V, D]
  at::Tensor unembedding;             // [V, D], wte itself unless it is rounded
  at::Tensor wpe;                     // [n_positions, D]
  std::vector<LayerWeights> layers;   // L
  at::Tensor ln_f_weight, ln_f_bias;  // [D]
};

// Converts and copies; NaN or Inf is an error that names the file and tensor.
absl::StatusOr<Weights> LoadWeights(const Checkpoint& checkpoint, const GptConfig& config, Precision precision,
                                    c10::Device device);

}  // namespace ablate
