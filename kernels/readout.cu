// readout's launcher; the kernels are in kernels/readout_kernel.cuh.
#include "kernels/readout_check.h"
#include "kernels/readout_kernel.cuh"
#include "kernels/readout_launch.h"

namespace ablate::kernels {

cudaError_t Readout(const ReadoutArgs& args, cudaStream_t stream, BlockShape shape) {
  if (!CheckReadout(args).empty() || !TakesBlockShape(TunedKernel::kReadout, args.n_vocab, shape))
    return cudaErrorInvalidValue;
  if (args.n_tasks == 0) return cudaSuccess;
  const auto threads = static_cast<uint32_t>(shape.warps * kWarpLanes);
  return RunReadoutKernels(args, cudaSuccess, [&](auto kernel, uint32_t grid, size_t shared_bytes) {
    kernel<<<grid, threads, shared_bytes, stream>>>(args);
    return cudaGetLastError();
  });
}

}  // namespace ablate::kernels
