// What can be known of layer_norm's arguments on CUDA before it runs: a message that names the argument, empty where
// all is well. Reads through no pointer, so it holds for device memory too.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/layer_norm.h"

namespace ablate::kernels {

std::string CheckLayerNorm(const LayerNormArgs<float>& args, int64_t n_rows);

}  // namespace ablate::kernels
