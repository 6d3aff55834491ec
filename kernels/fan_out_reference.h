// fan_out as a formula, one element at a time: what the CPU and CUDA versions are tested against.
#pragma once

#include "kernels/fan_out.h"

namespace ablate::kernels {

// Precondition: CheckFanOut(args) is empty and the tables' indices are in range (kernels/fan_out_check.h). float and
// double.
template <typename T>
void FanOutReference(const FanOutArgs<T>& args);

}  // namespace ablate::kernels
