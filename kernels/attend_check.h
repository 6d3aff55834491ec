// What can be known of attend's arguments on CUDA before it runs: a message that names the argument, empty where all is
// well. Reads through no pointer, so it holds for device memory too.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/attend.h"

namespace ablate::kernels {

// The largest head size that the CUDA kernel takes.
inline constexpr int32_t kAttendMaxHeadSize = 128;

std::string CheckAttend(const AttendArgs<float>& args, int64_t n_rows);

}  // namespace ablate::kernels
