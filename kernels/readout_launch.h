// readout on CUDA. Apart from kernels/readout.h so that only those who launch it need CUDA's headers.
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/block_shape.h"
#include "kernels/readout.h"

namespace ablate::kernels {

// Queues two launches on `stream`, and a third where a task asks for a top-k (none where there are no tasks), and
// returns at once. All pointers are memory of the current device, and must stay as they are until the stream has
// passed. cudaErrorInvalidValue: sizes or pointers cannot be right (CheckReadout says what is wrong), or the kernel
// takes no such blocks (TakesBlockShape). What the tasks hold is not checked: CheckReadoutTasks does where they are
// made.
cudaError_t Readout(const ReadoutArgs& args, cudaStream_t stream, BlockShape shape);

}  // namespace ablate::kernels
