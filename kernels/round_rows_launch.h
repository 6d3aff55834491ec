// round_rows on CUDA. Apart from kernels/round_rows.h so that only those who launch it need CUDA's headers.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/block_shape.h"
#include "kernels/round_rows.h"

namespace ablate::kernels {

// Queues one launch for the M = `n_rows` rows on `stream` (none where there are none) and returns at once. x is memory
// of the current device, and must stay as it is until the stream has passed. cudaErrorInvalidValue: sizes or the
// pointer cannot be right (CheckRoundRows says what is wrong), or the kernel takes no such blocks (TakesBlockShape).
cudaError_t RoundRows(const RoundRowsArgs& args, int64_t n_rows, cudaStream_t stream, BlockShape shape);

}  // namespace ablate::kernels
