// fan_out on CUDA. Apart from kernels/fan_out.h so that only those who launch it need CUDA's headers.
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/block_shape.h"
#include "kernels/fan_out.h"

namespace ablate::kernels {

// Queues one launch on `stream` (none where n_tokens_out is 0) and returns at once. All pointers are memory of the
// current device, and must stay as they are until the stream has passed. cudaErrorInvalidValue: CheckFanOut(args) says
// what is wrong (kernels/fan_out_check.h), or the kernel takes no such blocks (TakesBlockShape). Indices in the tables
// are not checked: CheckFanOutTables does where they are made.
cudaError_t FanOut(const FanOutArgs<float>& args, cudaStream_t stream, BlockShape shape);
cudaError_t FanOut(const FanOutArgs<double>& args, cudaStream_t stream, BlockShape shape);

}  // namespace ablate::kernels
