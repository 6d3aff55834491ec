// attend on CUDA. Apart from kernels/attend.h so that only those who launch it need CUDA's headers.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/attend.h"
#include "kernels/block_shape.h"

namespace ablate::kernels {

// Queues one launch for the R = `n_rows` rows on `stream` (none where there are none) and returns at once. All
// pointers, the rows among them, are memory of the current device, and must stay as they are until the stream has
// passed. cudaErrorInvalidValue: sizes or pointers cannot be right (CheckAttend says what is wrong; head sizes end at
// 128), or the kernel takes no such blocks (TakesBlockShape). What the rows hold is not checked.
cudaError_t Attend(const AttendArgs<float>& args, int64_t n_rows, cudaStream_t stream, BlockShape shape);

}  // namespace ablate::kernels
