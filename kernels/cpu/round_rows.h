// round_rows on the CPU: rows of floats to bfloat16, rounded to nearest even, into the first half of each row.
#pragma once

#include <cstdint>

namespace ablate::kernels::cpu {

struct RoundRowsArgs {
  float* x = nullptr;  // [M, D]; what lies in the second half of a row afterwards is of no interest
  int64_t d = 0;       // D
};

// Rows [row_begin, row_end) of the M. Ranges may run at once in several threads.
void RoundRows(const RoundRowsArgs& args, int64_t row_begin, int64_t row_end);

}  // namespace ablate::kernels::cpu
