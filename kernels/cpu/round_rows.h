// round_rows on the CPU (kernels/round_rows.h).
#pragma once

#include <cstdint>

#include "kernels/round_rows.h"

namespace ablate::kernels::cpu {

// Rows [row_begin, row_end) of the M. Ranges may run at once in several threads.
void RoundRows(const RoundRowsArgs& args, int64_t row_begin, int64_t row_end);

}  // namespace ablate::kernels::cpu
