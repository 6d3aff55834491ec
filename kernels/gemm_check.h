// What can be known of gemm's arguments before it runs: a message that names the argument, empty where all is well.
// Reads through no pointer, so it holds for device memory too.
#pragma once

#include <string>

#include "kernels/gemm.h"

namespace ablate::kernels {

std::string CheckGemm(const GemmArgs& args);

}  // namespace ablate::kernels
