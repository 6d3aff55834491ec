// embed's launcher; the kernel is kernels/embed_kernel.cuh.
#include "kernels/embed_check.h"
#include "kernels/embed_kernel.cuh"
#include "kernels/embed_launch.h"

namespace ablate::kernels {

cudaError_t Embed(const EmbedArgs& args, int64_t n_tokens, cudaStream_t stream) {
  if (!CheckEmbed(args, n_tokens).empty()) return cudaErrorInvalidValue;
  if (n_tokens == 0) return cudaSuccess;
  return WithEmbedKernel(args, [&](auto kernel) {
    kernel<<<EmbedGrid(n_tokens), dim3(kWarpLanes, kEmbedWarps), 0, stream>>>(args, n_tokens);
    return cudaGetLastError();
  });
}

}  // namespace ablate::kernels
