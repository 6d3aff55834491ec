#include "kernels/cpu/gelu.h"

#include "kernels/cpu/isa.h"

namespace ablate::kernels::cpu {

template <typename T>
void BiasGeluTanh(const BiasGeluArgs<T>& args, int64_t row_begin, int64_t row_end) {
  Kernels<T>().bias_gelu(args, row_begin, row_end);
}

template void BiasGeluTanh<float>(const BiasGeluArgs<float>&, int64_t, int64_t);
template void BiasGeluTanh<double>(const BiasGeluArgs<double>&, int64_t, int64_t);

}  // namespace ablate::kernels::cpu
