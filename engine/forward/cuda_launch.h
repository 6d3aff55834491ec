// What every launch of a kernel of ours needs from libtorch.
#pragma once

#include <ATen/Functions.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstring>
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

// A tensor of the host's on the device: on a GPU its copy is queued on the current stream, and the host does not wait.
inline at::Tensor ToDevice(const at::Tensor& host, c10::Device device) {
  return device.is_cpu() ? host : host.pin_memory().to(device, /*non_blocking=*/true);
}

// [bytes] uint8. A table for a launch, queued to be copied on the current stream: the host does not wait. Alive as long
// as the stream needs it (the caching allocators of device and pinned memory order their reuse behind it).
template <typename T>
at::Tensor CopyTo(c10::Device device, absl::Span<const T> values) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
  const at::Tensor staged = at::empty({bytes}, at::TensorOptions(at::kByte).pinned_memory(true));
  if (bytes > 0) std::memcpy(staged.data_ptr(), values.data(), static_cast<size_t>(bytes));
  return staged.to(device, at::kByte, /*non_blocking=*/true);
}

}  // namespace ablate
