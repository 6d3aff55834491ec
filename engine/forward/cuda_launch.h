// What every launch of a kernel of ours needs from libtorch.
#pragma once

#include <ATen/Functions.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>
#include <type_traits>

#include "absl/types/span.h"

namespace ablate {

// The stream that ATen's ops on the tensor's device run on now.
inline cudaStream_t StreamOf(const at::Tensor& tensor) {
  return c10::cuda::getCurrentCUDAStream(tensor.device().index());
}

inline void CheckLaunch(const char* kernel, cudaError_t error) {
  TORCH_CHECK(error == cudaSuccess, kernel, ": ", cudaGetErrorString(error));
}

// `problem`: what a kernel's check found.
inline void CheckArguments(const std::string& problem) {
  TORCH_CHECK(problem.empty(), problem);
}

// [bytes] uint8. A table for a launch; alive as long as the kernel's stream needs it (the caching allocator orders its
// reuse behind it).
template <typename T>
at::Tensor CopyTo(c10::Device device, absl::Span<const T> values) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
  // from_blob takes no const; it is read once. NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
  return at::from_blob(const_cast<T*>(values.data()), {bytes}, at::kByte).to(device);
}

}  // namespace ablate
