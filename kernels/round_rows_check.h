// What can be known of round_rows' arguments on CUDA before it runs: a message that names the argument, empty where all
// is well. Reads through no pointer, so it holds for device memory too.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/round_rows.h"

namespace ablate::kernels {

std::string CheckRoundRows(const RoundRowsArgs& args, int64_t n_rows);

}  // namespace ablate::kernels
