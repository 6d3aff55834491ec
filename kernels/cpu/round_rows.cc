#include "kernels/cpu/round_rows.h"

#include "kernels/cpu/isa.h"

namespace ablate::kernels::cpu {

void RoundRows(const RoundRowsArgs& args, int64_t row_begin, int64_t row_end) {
  Kernels<float>().round_rows(args, row_begin, row_end);
}

}  // namespace ablate::kernels::cpu
