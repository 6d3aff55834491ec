// layer_norm's launcher; the kernel is kernels/layer_norm_kernel.cuh.
#include "kernels/layer_norm_check.h"
#include "kernels/layer_norm_kernel.cuh"
#include "kernels/layer_norm_launch.h"

namespace ablate::kernels {

cudaError_t LayerNorm(const LayerNormArgs<float>& args, int64_t n_rows, cudaStream_t stream, BlockShape shape) {
  if (!CheckLayerNorm(args, n_rows).empty() || !TakesBlockShape(TunedKernel::kLayerNorm, args.d_model, shape))
    return cudaErrorInvalidValue;
  if (n_rows == 0) return cudaSuccess;
  const dim3 block(kWarpLanes, static_cast<uint32_t>(shape.warps));
  return WithLayerNormKernel(args, [&](auto kernel) {
    kernel<<<LayerNormGrid(n_rows, shape), block, 0, stream>>>(args, n_rows);
    return cudaGetLastError();
  });
}

}  // namespace ablate::kernels
