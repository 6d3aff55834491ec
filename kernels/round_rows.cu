// round_rows' launcher; the kernel is kernels/round_rows_kernel.cuh.
#include "kernels/round_rows_check.h"
#include "kernels/round_rows_kernel.cuh"
#include "kernels/round_rows_launch.h"

namespace ablate::kernels {

cudaError_t RoundRows(const RoundRowsArgs& args, int64_t n_rows, cudaStream_t stream, BlockShape shape) {
  if (!CheckRoundRows(args, n_rows).empty() || !TakesBlockShape(TunedKernel::kRoundRows, args.d, shape))
    return cudaErrorInvalidValue;
  if (n_rows == 0) return cudaSuccess;
  const dim3 block(kWarpLanes, static_cast<uint32_t>(shape.warps));
  return WithRoundRowsKernel(args, [&](auto kernel) {
    kernel<<<RoundRowsGrid(n_rows, shape), block, 0, stream>>>(args, n_rows);
    return cudaGetLastError();
  });
}

}  // namespace ablate::kernels
