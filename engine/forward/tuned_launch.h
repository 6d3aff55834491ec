// Launches of our kernels on a GPU, each in the blocks that are the fastest there (kernels/block_shapes.h).
#pragma once

#include <ATen/core/Tensor.h>
#include <cuda_runtime_api.h>

#include <chrono>
#include <optional>

#include "absl/functional/function_ref.h"
#include "kernels/block_shape.h"
#include "kernels/block_shapes.h"

namespace ablate {

// While one lives, this thread's launches and products (gemm_cuda.h) measure, before they run, what is the fastest for
// their kind, unless that is known: for about `most` in all, each kind at most once. They wait for the stream then.
class MeasuringScope {
 public:
  explicit MeasuringScope(std::chrono::milliseconds most);
  ~MeasuringScope();
  MeasuringScope(const MeasuringScope&) = delete;
  MeasuringScope& operator=(const MeasuringScope&) = delete;

  // Of the innermost of this thread's; nothing where there is none.
  static std::optional<std::chrono::steady_clock::time_point> Deadline();

 private:
  const std::optional<std::chrono::steady_clock::time_point> before_;
};

// Queues what it launches in these blocks.
using LaunchInBlocks = absl::FunctionRef<cudaError_t(kernels::BlockShape shape, cudaStream_t stream)>;

// Launches on the current stream of the device of `out`. Under a MeasuringScope it may do so some hundred times before:
// of what a launch reads, it may change `changed` alone, which is put back then. Throws c10::Error where the launch
// fails (`name` is in its message).
void LaunchTuned(const char* name, const kernels::LaunchKind& kind, const at::Tensor& out, LaunchInBlocks launch,
                 const at::Tensor& changed = {});

// What is known of a device, for the thread that owns it.
kernels::BlockShapes& BlockShapesOn(c10::Device device);

}  // namespace ablate
