// embed: a token's embedding and its position's.
//
//   out[i] = wte[ids[i]] + wpe[positions[i]]   [D]
//
// One sum an element, so that every implementation gives the same bits.
#pragma once

#include <cstdint>

namespace ablate::kernels {

struct EmbedArgs {
  const float* wte = nullptr;          // [V, D]
  const float* wpe = nullptr;          // [P, D]
  const int32_t* ids = nullptr;        // [N], each in [0, V)
  const int32_t* positions = nullptr;  // [N], each in [0, P)
  float* out = nullptr;                // [N, D]
  int64_t d_model = 0;                 // D
};

}  // namespace ablate::kernels
