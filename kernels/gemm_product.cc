#include "kernels/gemm_product.h"

#include <algorithm>
#include <cstdint>

namespace ablate::kernels {
namespace {

cudaDataType_t FactorType(GemmPrecision precision) {
  return precision == GemmPrecision::kBf16 ? CUDA_R_16BF : CUDA_R_32F;
}

// PEDANTIC: nothing that would let TF32 in by the back door of an environment variable.
cublasComputeType_t ComputeType(GemmPrecision precision) {
  switch (precision) {
    case GemmPrecision::kFloat32:
      return CUBLAS_COMPUTE_32F_PEDANTIC;
    case GemmPrecision::kTf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case GemmPrecision::kBf16:
      return CUBLAS_COMPUTE_32F;
  }
  return CUBLAS_COMPUTE_32F_PEDANTIC;
}

template <typename Description, typename Create, typename... Args>
std::string Make(const char* call, std::unique_ptr<Description, DestroyCublasLt>& made, Create create, Args... args) {
  Description* raw = nullptr;
  const cublasStatus_t status = create(&raw, args...);
  made.reset(raw);
  return status == CUBLAS_STATUS_SUCCESS ? "" : GemmFailed(call, status);
}

template <typename Value>
std::string Set(cublasLtMatmulDesc_t description, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
  const cublasStatus_t status =
      cublasLtMatmulDescSetAttribute(description, attribute, static_cast<const void*>(&value), sizeof(value));
  return status == CUBLAS_STATUS_SUCCESS ? "" : GemmFailed("cublasLtMatmulDescSetAttribute", status);
}

cublasLtMatmulAlgo_t Opaque(const GemmAlgorithm& algorithm) {
  cublasLtMatmulAlgo_t opaque = {};
  std::copy(algorithm.begin(), algorithm.end(), opaque.data);
  return opaque;
}

}  // namespace

std::string GemmFailed(const char* call, cublasStatus_t status) {
  return std::string("gemm: ") + call + ": " + cublasLtGetStatusName(status);
}

std::string GemmProduct::Describe(const GemmArgs& args) {
  const cudaDataType_t factor = FactorType(args.precision);
  std::string error =
      Make("cublasLtMatmulDescCreate", description_, cublasLtMatmulDescCreate, ComputeType(args.precision), CUDA_R_32F);
  const cublasOperation_t op = args.weight_is_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  if (error.empty()) error = Set(description_.get(), CUBLASLT_MATMUL_DESC_TRANSA, op);
  if (args.epilogue == GemmEpilogue::kGeluTanh) {
    if (error.empty()) error = Set(description_.get(), CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_GELU_BIAS);
    const void* const bias = args.bias;
    if (error.empty()) error = Set(description_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  const auto rows = static_cast<uint64_t>(args.weight_is_transposed ? args.k : args.n);
  const auto columns = static_cast<uint64_t>(args.weight_is_transposed ? args.n : args.k);
  const struct {
    CublasLtOwned<cublasLtMatrixLayout_t>& layout;
    cudaDataType_t type;
    uint64_t rows, columns;
    int64_t stride;
  } layouts[] = {{weight_, factor, rows, columns, args.weight_stride},
                 {x_, factor, static_cast<uint64_t>(args.k), static_cast<uint64_t>(args.m), args.x_stride},
                 {out_, CUDA_R_32F, static_cast<uint64_t>(args.n), static_cast<uint64_t>(args.m), args.out_stride}};
  for (const auto& l : layouts) {
    if (!error.empty()) return error;
    error =
        Make("cublasLtMatrixLayoutCreate", l.layout, cublasLtMatrixLayoutCreate, l.type, l.rows, l.columns, l.stride);
  }
  return error;
}

std::string GemmProduct::FindAlgorithms(cublasLtHandle_t handle, const GemmShape& shape, size_t workspace_bytes,
                                        size_t most, std::vector<GemmAlgorithm>& algorithms) const {
  CublasLtOwned<cublasLtMatmulPreference_t> preference;
  if (auto error = Make("cublasLtMatmulPreferenceCreate", preference, cublasLtMatmulPreferenceCreate); !error.empty()) {
    return error;
  }
  // Split sums are added in an order, or of a number of parts, that follows the shape.
  const uint32_t schemes = shape.batch_invariant ? CUBLASLT_REDUCTION_SCHEME_NONE : CUBLASLT_REDUCTION_SCHEME_MASK;
  const struct {
    cublasLtMatmulPreferenceAttributes_t attribute;
    const void* value;
    size_t bytes;
  } attributes[] = {
      {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof(workspace_bytes)},
      {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof(schemes)},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &shape.weight_alignment, sizeof(shape.weight_alignment)},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &shape.x_alignment, sizeof(shape.x_alignment)},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &shape.out_alignment, sizeof(shape.out_alignment)},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &shape.out_alignment, sizeof(shape.out_alignment)}};
  for (const auto& [attribute, value, bytes] : attributes) {
    const cublasStatus_t status = cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, value, bytes);
    if (status != CUBLAS_STATUS_SUCCESS) return GemmFailed("cublasLtMatmulPreferenceSetAttribute", status);
  }
  std::vector<cublasLtMatmulHeuristicResult_t> found(most);
  int count = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle, description_.get(), weight_.get(), x_.get(), out_.get(), out_.get(),
                                     preference.get(), static_cast<int>(most), found.data(), &count);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return "";
  if (status != CUBLAS_STATUS_SUCCESS) return GemmFailed("cublasLtMatmulAlgoGetHeuristic", status);
  found.resize(static_cast<size_t>(count));
  for (const cublasLtMatmulHeuristicResult_t& result : found) {
    if (result.state == CUBLAS_STATUS_SUCCESS) algorithms.push_back(std::to_array(result.algo.data));
  }
  return "";
}

bool GemmProduct::Takes(cublasLtHandle_t handle, const GemmAlgorithm& algorithm, size_t workspace_bytes) const {
  const cublasLtMatmulAlgo_t opaque = Opaque(algorithm);
  cublasLtMatmulHeuristicResult_t result = {};
  const cublasStatus_t status = cublasLtMatmulAlgoCheck(handle, description_.get(), weight_.get(), x_.get(), out_.get(),
                                                        out_.get(), &opaque, &result);
  return status == CUBLAS_STATUS_SUCCESS && result.state == CUBLAS_STATUS_SUCCESS &&
         result.workspaceSize <= workspace_bytes;
}

cublasStatus_t GemmProduct::Launch(cublasLtHandle_t handle, const GemmArgs& args, float* out,
                                   const GemmAlgorithm& algorithm, void* workspace, size_t workspace_bytes,
                                   cudaStream_t stream) const {
  const float alpha = 1, beta = args.epilogue == GemmEpilogue::kAddTo ? 1 : 0;
  const cublasLtMatmulAlgo_t opaque = Opaque(algorithm);
  return cublasLtMatmul(handle, description_.get(), &alpha, args.weight, weight_.get(), args.x, x_.get(), &beta,
                        args.out, out_.get(), out, out_.get(), &opaque, workspace, workspace_bytes, stream);
}

}  // namespace ablate::kernels
