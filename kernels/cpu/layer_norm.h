// layer_norm on the CPU (kernels/layer_norm.h).
#pragma once

#include <cstdint>

#include "kernels/layer_norm.h"

namespace ablate::kernels::cpu {

// Rows [row_begin, row_end) of the M. Ranges may run at once in several threads.
template <typename T>
void LayerNorm(const LayerNormArgs<T>& args, int64_t row_begin, int64_t row_end);

extern template void LayerNorm<float>(const LayerNormArgs<float>&, int64_t, int64_t);
extern template void LayerNorm<double>(const LayerNormArgs<double>&, int64_t, int64_t);

}  // namespace ablate::kernels::cpu
