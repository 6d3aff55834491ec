#include "engine/forward/gemm_cuda.h"

#include <ATen/ops/gelu.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <array>
#include <memory>

#include "engine/forward/cuda_launch.h"
#include "engine/forward/gemm_operands.h"
#include "kernels/gemm_cublaslt.h"

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

thread_local bool reads_tf32 = false;

kernels::GemmPrecision PrecisionOf(const at::Tensor& x) {
  if (x.scalar_type() == at::kBFloat16) return kernels::GemmPrecision::kBf16;
  return reads_tf32 ? kernels::GemmPrecision::kTf32 : kernels::GemmPrecision::kFloat32;
}

}  // namespace

void PrepareGemm(c10::Device device) {
  GemmOf(device);
}

c10::Stream GemmStream(c10::Device device) {
  return GemmOf(device).stream;
}

Tf32Products::Tf32Products(bool on) : before_(reads_tf32) {
  reads_tf32 = on;
}

Tf32Products::~Tf32Products() {
  reads_tf32 = before_;
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
      .epilogue = epilogue};
  kernels::CublasLt& cublas_lt = GemmOf(x.device()).cublas_lt;
  if (epilogue != kernels::GemmEpilogue::kGeluTanh) {
    CheckArguments(cublas_lt.Run(args, StreamOf(x)));
    return;
  }
  bool is_fused = true;
  CheckArguments(cublas_lt.Run(args, StreamOf(x), &is_fused));
  if (is_fused) return;
  args.epilogue = kernels::GemmEpilogue::kNone;
  args.bias = nullptr;
  CheckArguments(cublas_lt.Run(args, StreamOf(x)));
  BiasGeluComposed(bias, out);
}

}  // namespace ablate
