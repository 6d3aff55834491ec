// fan_out on the CPU. Single-threaded by the call: the caller cuts [0, M) into ranges and runs them in threads; ranges
// write disjoint parts of the outputs, and a token's bits do not depend on how they were cut.
#pragma once

#include <cstdint>

#include "kernels/fan_out.h"

namespace ablate::kernels {

// Computes outgoing tokens [token_begin, token_end), which must lie in [0, M]. Precondition: CheckFanOut(args) is empty
// and the tables' indices are in range (kernels/fan_out_check.h). All pointers are host memory. float and double.
template <typename T>
void FanOutCpu(const FanOutArgs<T>& args, int64_t token_begin, int64_t token_end);

}  // namespace ablate::kernels
