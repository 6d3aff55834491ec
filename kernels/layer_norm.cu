// layer_norm's launcher; the kernel is kernels/layer_norm_kernel.cuh.
#include "kernels/layer_norm_check.h"
#include "kernels/layer_norm_kernel.cuh"
#include "kernels/layer_norm_launch.h"

namespace ablate::kernels {

cudaError_t LayerNorm(const LayerNormArgs<float>& args, int64_t n_rows, cudaStream_t stream) {
  if (!CheckLayerNorm(args, n_rows).empty()) return cudaErrorInvalidValue;
  if (n_rows == 0) return cudaSuccess;
  return WithLayerNormKernel(args, [&](auto kernel) {
    kernel<<<LayerNormGrid(n_rows), dim3(kWarpLanes, kLayerNormWarps), 0, stream>>>(args, n_rows);
    return cudaGetLastError();
  });
}

}  // namespace ablate::kernels
