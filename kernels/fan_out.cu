// fan_out's launcher; the kernel is kernels/fan_out_kernel.cuh.
#include "kernels/fan_out_check.h"
#include "kernels/fan_out_kernel.cuh"
#include "kernels/fan_out_launch.h"

namespace ablate::kernels {
namespace {

template <typename T>
cudaError_t Launch(const FanOutArgs<T>& args, cudaStream_t stream, BlockShape block_shape) {
  if (!CheckFanOut(args).empty() ||
      !TakesBlockShape(TunedKernel::kFanOut, int64_t{args.n_heads} * args.d_head, block_shape))
    return cudaErrorInvalidValue;
  if (args.n_tokens_out == 0) return cudaSuccess;
  const FanOutShape shape = ShapeFanOut(args, block_shape);
  const dim3 block(shape.block_x, shape.block_y);
  if (shape.width == 1) {
    FanOutKernel<T, 1><<<shape.grid, block, 0, stream>>>(args);
  } else {
    FanOutKernel<T, kPackBytes / sizeof(T)><<<shape.grid, block, 0, stream>>>(args);
  }
  return cudaGetLastError();
}

}  // namespace

cudaError_t FanOut(const FanOutArgs<float>& args, cudaStream_t stream, BlockShape shape) {
  return Launch(args, stream, shape);
}
cudaError_t FanOut(const FanOutArgs<double>& args, cudaStream_t stream, BlockShape shape) {
  return Launch(args, stream, shape);
}

}  // namespace ablate::kernels
