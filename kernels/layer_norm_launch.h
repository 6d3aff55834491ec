// layer_norm on CUDA. Apart from kernels/layer_norm.h so that only those who launch it need CUDA's headers.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/block_shape.h"
#include "kernels/layer_norm.h"

namespace ablate::kernels {

// Queues one launch of the M = `n_rows` rows on `stream` (none where there are none) and returns at once. All pointers
// are memory of the current device, and must stay as they are until the stream has passed. cudaErrorInvalidValue: sizes
// or pointers cannot be right (CheckLayerNorm says what is wrong), or the kernel takes no such blocks
// (TakesBlockShape).
cudaError_t LayerNorm(const LayerNormArgs<float>& args, int64_t n_rows, cudaStream_t stream, BlockShape shape);

}  // namespace ablate::kernels
