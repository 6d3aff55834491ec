// round_rows: rows of floats to bfloat16, rounded to nearest even, into the first half of each row.
#pragma once

#include <cstdint>

namespace ablate::kernels {

struct RoundRowsArgs {
  float* x = nullptr;  // [M, D]; what lies in the second half of a row afterwards is of no interest
  int64_t d = 0;       // D
};

}  // namespace ablate::kernels
