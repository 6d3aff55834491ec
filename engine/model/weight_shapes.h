// Which tensors a GPT-2 of a given config consists of.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/config.h"

namespace ablate {

// Every weight by its canonical name (without `transformer.`), with its shape. The tied `lm_head.weight` is not among
// them.
std::map<std::string, std::vector<int64_t>, std::less<>> WeightShapes(const GptConfig& config);

// `h.N.attn.bias` or `h.N.attn.masked_bias` with N in [0, n_layers): buffers of the causal mask that old files carry.
bool IsMaskBuffer(std::string_view canonical_name, const GptConfig& config);

}  // namespace ablate
