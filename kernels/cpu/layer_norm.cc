#include "kernels/cpu/layer_norm.h"

#include "kernels/cpu/isa.h"

namespace ablate::kernels::cpu {

template <typename T>
void LayerNorm(const LayerNormArgs<T>& args, int64_t row_begin, int64_t row_end) {
  Kernels<T>().layer_norm(args, row_begin, row_end);
}

template void LayerNorm<float>(const LayerNormArgs<float>&, int64_t, int64_t);
template void LayerNorm<double>(const LayerNormArgs<double>&, int64_t, int64_t);

}  // namespace ablate::kernels::cpu
