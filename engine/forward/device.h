// The device that an engine runs on: chosen, checked and described.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/forward/token_budget.h"
#include "engine/types.h"

namespace ablate {

struct DeviceChoice {
  c10::Device device;
  // Why `auto` took the CPU; empty otherwise.
  std::string why_cpu;
};

// `auto`, `cpu` or `cuda:N` (`cuda` is `cuda:0`). `auto` takes the first GPU that can run our code, else the CPU.
// An explicit GPU that cannot be used is FailedPrecondition: the message tells why (no driver, driver under 580, no
// machine code for it) and the way out.
absl::StatusOr<DeviceChoice> ChooseDevice(std::string_view text);

// The two checks behind it. `cuda_api` is what cudaDriverGetVersion gives: 13000 is CUDA 13.0, 0 no driver.
absl::Status CheckDriver(int cuda_api);
absl::Status CheckComputeCapability(std::string_view gpu, int major, int minor);

// Whether the device computes in it; InvalidArgument tells why not, and the way out.
absl::Status CheckPrecision(Precision precision, c10::Device device);
// The same of a GPU of this compute capability.
absl::Status CheckGpuPrecision(Precision precision, int major);

// The processor's or the GPU's own name.
std::string DeviceName(c10::Device device);

DeviceKind KindOf(c10::Device device);

// DeviceLostError where the device answers nothing any more; to be asked behind an error of it. Waits for what runs on
// it. The CPU is never lost.
absl::Status CheckAlive(c10::Device device);

// Bytes that may be taken now: free device memory, or what host.h says for the CPU.
int64_t FreeBytes(c10::Device device);

}  // namespace ablate
