// attend's launcher; the kernel is kernels/attend_kernel.cuh.
#include "kernels/attend_check.h"
#include "kernels/attend_kernel.cuh"
#include "kernels/attend_launch.h"

namespace ablate::kernels {

cudaError_t Attend(const AttendArgs<float>& args, int64_t n_rows, cudaStream_t stream, BlockShape shape) {
  if (!CheckAttend(args, n_rows).empty() || !TakesBlockShape(TunedKernel::kAttend, args.d_head, shape))
    return cudaErrorInvalidValue;
  if (n_rows == 0) return cudaSuccess;
  const dim3 block(kWarpLanes, static_cast<uint32_t>(shape.warps));
  const auto shared_bytes = static_cast<size_t>(AttendSharedBytes(args.d_head, shape));
  return WithAttendKernel(args, shape, [&](auto kernel) {
    kernel<<<AttendGrid(args, n_rows), block, shared_bytes, stream>>>(args, n_rows);
    return cudaGetLastError();
  });
}

}  // namespace ablate::kernels
