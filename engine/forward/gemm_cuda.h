// Matrix products on a GPU, by cuBLASLt (kernels/gemm_cublaslt.h).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <cstdint>

#include "engine/forward/tuning_file.h"
#include "kernels/gemm.h"
#include "kernels/gemm_cublaslt.h"

namespace ablate {

// Device memory that products take besides their operands, once for each device. NVIDIA advises so much on Hopper, and
// less before.
inline constexpr int64_t kGemmWorkspaceBytes = int64_t{32} << 20;

// Takes it, before memory is counted.
void PrepareGemm(c10::Device device);

// The stream that products of a device run on, since they share the workspace: not the default one.
c10::Stream GemmStream(c10::Device device);

// out [M, O] from x [M, K] and weight [K, O], all on one GPU; bias [O] for kGeluTanh alone. x and weight are float32 or
// both bfloat16, out is float32. Rows may be further apart than they are long; weight may be transposed. Queued on the
// current stream: as one launch, or where cuBLASLt fuses no bias and GELU in this precision, with two more behind it.
// As ComputeModeScope says; under a MeasuringScope (tuned_launch.h) its algorithms are measured before. One thread at a
// time for each device: an engine's.
void GemmCuda(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, kernels::GemmEpilogue epilogue,
              at::Tensor& out);

// x = gelu_tanh(x + bias) by ATen: what follows a product that cuBLASLt does not fuse with it. x [M, O], bias [O].
void BiasGeluComposed(const at::Tensor& bias, at::Tensor& x);

// The device's products, and for whom what is measured there is right (kept_tuning.h).
kernels::CublasLt& CublasLtOf(c10::Device device);
TuningPlatform TuningPlatformOf(c10::Device device);

}  // namespace ablate
