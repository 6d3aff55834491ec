#include "kernels/cpu/readout.h"

#include "kernels/cpu/isa.h"

namespace ablate::kernels::cpu {

template <typename T>
void Readout(const ReadoutQuery<T>* queries, int32_t n_vocab, ReadoutRow* results, int64_t row_begin, int64_t row_end) {
  Kernels<T>().readout(queries, n_vocab, results, row_begin, row_end);
}

template void Readout<float>(const ReadoutQuery<float>*, int32_t, ReadoutRow*, int64_t, int64_t);
template void Readout<double>(const ReadoutQuery<double>*, int32_t, ReadoutRow*, int64_t, int64_t);

}  // namespace ablate::kernels::cpu
