// The shape of a GPT-2, from the `config.json` of a Hugging Face model folder.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace ablate {

struct GptConfig {
  int32_t n_layers = 0;    // L
  int32_t n_heads = 0;     // H
  int32_t d_model = 0;     // D
  int32_t d_head = 0;      // Dh = D / H
  int32_t d_mlp = 0;       // 4 D unless `n_inner` says otherwise
  int32_t vocab_size = 0;  // V
  int32_t n_positions = 0;
  double layer_norm_epsilon = 0;
};

// Parameters of the model, the tied output matrix counted once.
int64_t ParameterCount(const GptConfig& config);

// Reads `model_dir`/config.json. Absent fields take the defaults of Hugging Face's GPT2Config. NotFound: no such
// file. InvalidArgument: not JSON, a field of the wrong type or out of its range. Unimplemented: a valid model that
// this engine does not compute (another model_type or activation, untied heads, scaled attention, ...). Messages name
// the file, the field, what came and what was expected.
absl::StatusOr<GptConfig> ReadConfig(const std::string& model_dir);

}  // namespace ablate
