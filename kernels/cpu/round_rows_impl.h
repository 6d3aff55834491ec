// One row after the other, in place: what is written is half as wide as what is read, and never overtakes it.
#pragma once

#include "kernels/cpu/round_rows.h"
#include "kernels/cpu/row_out.h"

namespace ablate::kernels::cpu::ABLATE_ISA {

inline void RoundRows(const RoundRowsArgs& args, int64_t row_begin, int64_t row_end) {
  const int64_t d = args.d;
  const int64_t whole = d - d % kLanes<float>;
  for (int64_t row = row_begin; row < row_end; ++row) {
    float* x = args.x + row * d;
    const RoundedRow out = {x};
    for (int64_t i = 0; i < whole; i += kLanes<float>) out.Put(i, Load<float>(x + i));
    if (whole < d) out.PutFirst(whole, LoadFirst<float>(x + whole, d - whole, 0.0F), d - whole);
  }
}

}  // namespace ablate::kernels::cpu::ABLATE_ISA
