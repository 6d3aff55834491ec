// attend's launcher; the kernel is kernels/attend_kernel.cuh.
#include "kernels/attend_check.h"
#include "kernels/attend_kernel.cuh"
#include "kernels/attend_launch.h"

namespace ablate::kernels {

cudaError_t Attend(const AttendArgs<float>& args, int64_t n_rows, cudaStream_t stream) {
  if (!CheckAttend(args, n_rows).empty()) return cudaErrorInvalidValue;
  if (n_rows == 0) return cudaSuccess;
  return WithAttendKernel(args, [&](auto kernel) {
    kernel<<<AttendGrid(args, n_rows), dim3(kWarpLanes, kAttendWarps), AttendSharedBytes(args.d_head), stream>>>(
        args, n_rows);
    return cudaGetLastError();
  });
}

}  // namespace ablate::kernels
