// embed on CUDA. Apart from kernels/embed.h so that only those who launch it need CUDA's headers.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/embed.h"

namespace ablate::kernels {

// Queues one launch for the N = `n_tokens` tokens on `stream` (none where there are none) and returns at once. All
// pointers are memory of the current device, and must stay as they are until the stream has passed.
// cudaErrorInvalidValue: sizes or pointers cannot be right (CheckEmbed says what is wrong). Indices are not checked.
cudaError_t Embed(const EmbedArgs& args, int64_t n_tokens, cudaStream_t stream);

}  // namespace ablate::kernels
