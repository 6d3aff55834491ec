#include "engine/forward/device.h"

#include <ATen/cuda/CUDAContext.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime_api.h>

#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "engine/device_lost.h"
#include "engine/forward/gemm_bf16.h"
#include "engine/forward/host.h"

namespace ablate {
namespace {

// Driver 580 is CUDA 13's first, and our machine code starts at sm_75 (kernels/CMakeLists.txt), as libtorch's does.
constexpr int kMinCudaApi = 13000;
constexpr int kMinComputeCapability[] = {7, 5};

int CountGpus() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();  // so that no later check finds this error
  return 0;
}

absl::Status CheckGpu(int index) {
  int cuda_api = 0;
  if (cudaDriverGetVersion(&cuda_api) != cudaSuccess) cuda_api = 0;
  if (absl::Status status = CheckDriver(cuda_api); !status.ok()) return status;
  int count = 0;
  if (cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    cudaGetLastError();  // so that no later check finds this error
    return absl::FailedPreconditionError(
        absl::StrCat("device: ", cudaGetErrorString(error), "; check `nvidia-smi`, or use --device cpu"));
  }
  if (index >= count) {
    return absl::InvalidArgumentError(
        absl::StrCat("device: cuda:", index, " does not exist, this machine shows ", count, " GPU(s)"));
  }
  cudaDeviceProp properties{};
  if (cudaError_t error = cudaGetDeviceProperties(&properties, index); error != cudaSuccess) {
    cudaGetLastError();
    return absl::FailedPreconditionError(absl::StrCat("device: cuda:", index, ": ", cudaGetErrorString(error)));
  }
  return CheckComputeCapability(properties.name, properties.major, properties.minor);
}

}  // namespace

absl::Status CheckDriver(int cuda_api) {
  if (cuda_api == 0) {
    return absl::FailedPreconditionError(
        "device: no NVIDIA driver was found; use --device cpu, or install a driver from version 580 on (in a "
        "container: "
        "run it with the NVIDIA runtime)");
  }
  if (cuda_api < kMinCudaApi) {
    return absl::FailedPreconditionError(
        absl::StrCat("device: the NVIDIA driver speaks CUDA ", cuda_api / 1000, ".", cuda_api % 1000 / 10,
                     ", this build needs CUDA 13.0: update the driver to version 580 or later, or use --device cpu"));
  }
  return absl::OkStatus();
}

absl::Status CheckComputeCapability(std::string_view gpu, int major, int minor) {
  const auto [least_major, least_minor] = kMinComputeCapability;
  if (major > least_major || (major == least_major && minor >= least_minor)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("device: ", std::string(gpu), " has compute capability ", major,
                                                    ".", minor, ", this build holds machine code from ", least_major,
                                                    ".", least_minor,
                                                    " (Turing) on: use another GPU, or --device cpu"));
}

absl::StatusOr<DeviceChoice> ChooseDevice(std::string_view text) {
  if (text == "cpu") return DeviceChoice{c10::Device(c10::kCPU), ""};
  if (text == "auto") {
    const absl::Status first = CheckGpu(0);
    for (int index = 0; index < CountGpus(); ++index) {
      if (!CheckGpu(index).ok()) continue;
      return DeviceChoice{c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index)), ""};
    }
    return DeviceChoice{c10::Device(c10::kCPU), std::string(first.message())};
  }
  int index = 0;
  absl::string_view rest(text.data(), text.size());
  if (text != "cuda" && (!absl::ConsumePrefix(&rest, "cuda:") || !absl::SimpleAtoi(rest, &index) || index < 0 ||
                         index > std::numeric_limits<c10::DeviceIndex>::max())) {
    return absl::InvalidArgumentError(
        absl::StrCat("device: got '", std::string(text), "', expected auto, cpu or cuda:N"));
  }
  if (absl::Status status = CheckGpu(index); !status.ok()) return status;
  return DeviceChoice{c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index)), ""};
}

absl::Status CheckGpuPrecision(Precision precision, int major) {
  constexpr int kAmpere = 8;
  if (precision == Precision::kFloat64) {
    return absl::InvalidArgumentError("precision: float64 is the CPU's oracle; use --device cpu");
  }
  if (precision != Precision::kFloat32 && major < kAmpere) {
    return absl::InvalidArgumentError(absl::StrCat("precision: ", std::string(Name(precision)),
                                                   " needs a GPU of compute capability 8.0 (Ampere) or later; use "
                                                   "float32"));
  }
  return absl::OkStatus();
}

absl::Status CheckPrecision(Precision precision, c10::Device device) {
  if (device.is_cuda()) return CheckGpuPrecision(precision, at::cuda::getDeviceProperties(device.index())->major);
  if (precision == Precision::kTf32) {
    return absl::InvalidArgumentError("precision: tf32 is what tensor cores compute in; use --device cuda, or float32");
  }
  if (precision == Precision::kBf16 && !HasBf16Gemm()) {
    return absl::InvalidArgumentError(
        "precision: bf16 needs a CPU with AVX512-BF16 (Cooper Lake, Sapphire Rapids, Zen 4 or later); use float32");
  }
  return absl::OkStatus();
}

std::string DeviceName(c10::Device device) {
  return device.is_cuda() ? at::cuda::getDeviceProperties(device.index())->name : ProcessorName();
}

DeviceKind KindOf(c10::Device device) {
  return device.is_cuda() ? DeviceKind::kCuda : DeviceKind::kCpu;
}

absl::Status CheckAlive(c10::Device device) {
  if (!device.is_cuda()) return absl::OkStatus();
  const c10::OptionalDeviceGuard on_device(device);
  // An error that does not stick ends here.
  cudaGetLastError();
  const cudaError_t error = cudaDeviceSynchronize();
  if (error == cudaSuccess) return absl::OkStatus();
  return DeviceLostError(absl::StrCat("cuda:", device.index(), " is lost to this process: ", cudaGetErrorName(error),
                                      ", ", cudaGetErrorString(error)));
}

int64_t FreeBytes(c10::Device device) {
  if (!device.is_cuda()) return AvailableHostBytes();
  // What an engine before this one has left to the allocator is free too.
  c10::cuda::CUDACachingAllocator::emptyCache();
  const auto [free_bytes, total_bytes] = c10::cuda::CUDACachingAllocator::get()->getMemoryInfo(device.index());
  return static_cast<int64_t>(free_bytes);
}

}  // namespace ablate
