#include "engine/forward/gemm_cuda.h"

#include <ATen/cuda/CUDAContext.h>
#include <ATen/ops/gelu.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <cublasLt.h>

#include <array>
#include <memory>
#include <string>

#include "engine/forward/compute_mode.h"
#include "engine/forward/cuda_launch.h"
#include "engine/forward/gemm_operands.h"
#include "engine/forward/tuned_launch.h"

namespace ablate {
namespace {

// cuBLASLt with its workspace.
struct DeviceGemm {
  explicit DeviceGemm(c10::Device device)
      : workspace(at::empty({kGemmWorkspaceBytes}, at::TensorOptions(at::kByte).device(device))),
        cublas_lt(workspace.data_ptr(), static_cast<size_t>(workspace.nbytes())),
        stream(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device)) {}

  at::Tensor workspace;  // [bytes] uint8
  kernels::CublasLt cublas_lt;
  c10::Stream stream;
};

// Never freed: CUDA may be gone when static objects are.
DeviceGemm& GemmOf(c10::Device device) {
  static auto* const devices = new std::array<std::unique_ptr<DeviceGemm>, 64>();
  std::unique_ptr<DeviceGemm>& gemm = devices->at(static_cast<size_t>(device.index()));
  if (gemm == nullptr) gemm = std::make_unique<DeviceGemm>(device);
  return *gemm;
}

kernels::GemmPrecision PrecisionOf(const at::Tensor& x) {
  if (x.scalar_type() == at::kBFloat16) return kernels::GemmPrecision::kBf16;
  return ComputeModeScope::Current().reads_tf32 ? kernels::GemmPrecision::kTf32 : kernels::GemmPrecision::kFloat32;
}

// As CublasLt::Run, measured before where that is wanted.
void RunProduct(const kernels::GemmArgs& args, const at::Tensor& out, bool* has_algorithm = nullptr) {
  kernels::CublasLt& cublas_lt = GemmOf(out.device()).cublas_lt;
  const auto deadline = MeasuringScope::Deadline();
  if (deadline.has_value() && cublas_lt.WouldMeasure(args)) {
    const bool is_read = args.epilogue == kernels::GemmEpilogue::kAddTo;
    const at::Tensor scratch = at::empty({is_read ? args.m * args.out_stride : 0}, out.options());
    CheckArguments(cublas_lt.Measure(args, scratch.data_ptr<float>(), StreamOf(out), *deadline));
  }
  CheckArguments(cublas_lt.Run(args, StreamOf(out), has_algorithm));
}

}  // namespace

void PrepareGemm(c10::Device device) {
  GemmOf(device);
}

c10::Stream GemmStream(c10::Device device) {
  return GemmOf(device).stream;
}

TuningPlatform TuningPlatformOf(c10::Device device) {
  const cudaDeviceProp* const gpu = at::cuda::getDeviceProperties(device.index());
  return {gpu->name, gpu->multiProcessorCount, static_cast<int64_t>(cublasLtGetVersion())};
}

kernels::CublasLt& CublasLtOf(c10::Device device) {
  return GemmOf(device).cublas_lt;
}

void BiasGeluComposed(const at::Tensor& bias, at::Tensor& x) {
  x.add_(bias);
  at::gelu_(x, "tanh");
}

void GemmCuda(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, kernels::GemmEpilogue epilogue,
              at::Tensor& out) {
  const WeightLayout layout = CheckOperands("gemm", x, weight, out);
  const bool are_factors = x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kFloat;
  TORCH_CHECK(are_factors && x.scalar_type() == weight.scalar_type() && out.scalar_type() == at::kFloat,
              "gemm: expected float32 or bfloat16 factors and a float32 result, got ", x.scalar_type(), " by ",
              weight.scalar_type(), " into ", out.scalar_type());
  kernels::GemmArgs args = {
      .x = x.const_data_ptr(),
      .weight = weight.const_data_ptr(),
      .bias = epilogue == kernels::GemmEpilogue::kGeluTanh ? bias.const_data_ptr<float>() : nullptr,
      .out = out.data_ptr<float>(),
      .m = x.size(0),
      .k = x.size(1),
      .n = weight.size(1),
      .x_stride = x.stride(0),
      .weight_stride = layout.stride,
      .out_stride = out.stride(0),
      .weight_is_transposed = layout.is_transposed,
      .precision = PrecisionOf(x),
      .epilogue = epilogue,
      .batch_invariant = ComputeModeScope::Current().batch_invariant};
  if (epilogue != kernels::GemmEpilogue::kGeluTanh) return RunProduct(args, out);
  bool is_fused = true;
  RunProduct(args, out, &is_fused);
  if (is_fused) return;
  args.epilogue = kernels::GemmEpilogue::kNone;
  args.bias = nullptr;
  RunProduct(args, out);
  BiasGeluComposed(bias, out);
}

}  // namespace ablate
