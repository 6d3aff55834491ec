#include "kernels/gemm_cublaslt.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "kernels/gemm_check.h"

namespace ablate::kernels {
namespace {

// Frees a description of cuBLASLt's.
struct Destroy {
  void operator()(cublasLtMatmulDesc_t description) const { cublasLtMatmulDescDestroy(description); }
  void operator()(cublasLtMatrixLayout_t layout) const { cublasLtMatrixLayoutDestroy(layout); }
  void operator()(cublasLtMatmulPreference_t preference) const { cublasLtMatmulPreferenceDestroy(preference); }
};

template <typename Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy>;

std::string Failed(const char* call, cublasStatus_t status) {
  return std::string("gemm: ") + call + ": " + cublasLtGetStatusName(status);
}

// The largest power of 2, up to 256, that divides the address: cuBLASLt takes 256 for granted where it is not told.
uint32_t AlignmentOf(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  uint32_t alignment = 256;
  while (address % alignment != 0) alignment /= 2;
  return alignment;
}

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

}  // namespace

// A product as cuBLASLt sees it. Its matrices are column by column, ours row by row, so that it computes the
// transposed: out^T [O, M] = W^T [O, K] x^T [K, M].
class CublasLt::Product {
 public:
  // Empty, or what failed.
  std::string Describe(const GemmArgs& args) {
    const cudaDataType_t factor = FactorType(args.precision);
    if (auto error = Make("cublasLtMatmulDescCreate", description_, cublasLtMatmulDescCreate,
                          ComputeType(args.precision), CUDA_R_32F);
        !error.empty()) {
      return error;
    }
    const cublasOperation_t op = args.weight_is_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    if (auto error = Set(CUBLASLT_MATMUL_DESC_TRANSA, op); !error.empty()) return error;
    if (args.epilogue == GemmEpilogue::kGeluTanh) {
      if (auto error = Set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_GELU_BIAS); !error.empty()) return error;
      if (auto error = Set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(args.bias)); !error.empty()) {
        return error;
      }
    }
    const auto rows = static_cast<uint64_t>(args.weight_is_transposed ? args.k : args.n);
    const auto columns = static_cast<uint64_t>(args.weight_is_transposed ? args.n : args.k);
    const struct {
      Owned<cublasLtMatrixLayout_t>& layout;
      cudaDataType_t type;
      uint64_t rows, columns;
      int64_t stride;
    } layouts[] = {{weight_, factor, rows, columns, args.weight_stride},
                   {x_, factor, static_cast<uint64_t>(args.k), static_cast<uint64_t>(args.m), args.x_stride},
                   {out_, CUDA_R_32F, static_cast<uint64_t>(args.n), static_cast<uint64_t>(args.m), args.out_stride}};
    for (const auto& l : layouts) {
      auto error =
          Make("cublasLtMatrixLayoutCreate", l.layout, cublasLtMatrixLayoutCreate, l.type, l.rows, l.columns, l.stride);
      if (!error.empty()) return error;
    }
    return "";
  }

  std::string FindAlgorithm(cublasLtHandle_t handle, const GemmArgs& args, size_t workspace_bytes,
                            Algorithm& algorithm) const {
    Owned<cublasLtMatmulPreference_t> preference;
    if (auto error = Make("cublasLtMatmulPreferenceCreate", preference, cublasLtMatmulPreferenceCreate);
        !error.empty()) {
      return error;
    }
    const uint32_t a = AlignmentOf(args.weight), b = AlignmentOf(args.x), d = AlignmentOf(args.out);
    const struct {
      cublasLtMatmulPreferenceAttributes_t attribute;
      const void* value;
      size_t bytes;
    } attributes[] = {{CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof(workspace_bytes)},
                      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &a, sizeof(a)},
                      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &b, sizeof(b)},
                      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &d, sizeof(d)},
                      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &d, sizeof(d)}};
    for (const auto& [attribute, value, bytes] : attributes) {
      const cublasStatus_t status = cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, value, bytes);
      if (status != CUBLAS_STATUS_SUCCESS) return Failed("cublasLtMatmulPreferenceSetAttribute", status);
    }
    cublasLtMatmulHeuristicResult_t found = {};
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, description_.get(), weight_.get(), x_.get(), out_.get(), out_.get(),
                                       preference.get(), 1, &found, &count);
    if (status != CUBLAS_STATUS_SUCCESS && status != CUBLAS_STATUS_NOT_SUPPORTED) {
      return Failed("cublasLtMatmulAlgoGetHeuristic", status);
    }
    if (status == CUBLAS_STATUS_SUCCESS && count > 0 && found.state == CUBLAS_STATUS_SUCCESS) algorithm = found.algo;
    return "";
  }

  std::string Launch(cublasLtHandle_t handle, const GemmArgs& args, const cublasLtMatmulAlgo_t& algorithm,
                     void* workspace, size_t workspace_bytes, cudaStream_t stream) const {
    const float alpha = 1, beta = args.epilogue == GemmEpilogue::kAddTo ? 1 : 0;
    const cublasStatus_t status =
        cublasLtMatmul(handle, description_.get(), &alpha, args.weight, weight_.get(), args.x, x_.get(), &beta,
                       args.out, out_.get(), args.out, out_.get(), &algorithm, workspace, workspace_bytes, stream);
    return status == CUBLAS_STATUS_SUCCESS ? "" : Failed("cublasLtMatmul", status);
  }

 private:
  template <typename Description, typename Create, typename... Args>
  static std::string Make(const char* call, std::unique_ptr<Description, Destroy>& made, Create create, Args... args) {
    Description* raw = nullptr;
    const cublasStatus_t status = create(&raw, args...);
    made.reset(raw);
    return status == CUBLAS_STATUS_SUCCESS ? "" : Failed(call, status);
  }

  template <typename Value>
  std::string Set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    const cublasStatus_t status =
        cublasLtMatmulDescSetAttribute(description_.get(), attribute, static_cast<const void*>(&value), sizeof(value));
    return status == CUBLAS_STATUS_SUCCESS ? "" : Failed("cublasLtMatmulDescSetAttribute", status);
  }

  Owned<cublasLtMatmulDesc_t> description_;
  Owned<cublasLtMatrixLayout_t> weight_, x_, out_;
};

std::string CublasLt::MakeHandle() {
  cublasLtHandle_t handle = nullptr;
  const cublasStatus_t status = cublasLtCreate(&handle);
  handle_.reset(handle);
  return status == CUBLAS_STATUS_SUCCESS ? "" : Failed("cublasLtCreate", status);
}

std::string CublasLt::AlgorithmOf(const GemmArgs& args, const Product& product, const Algorithm*& algorithm) {
  const Key key = {args.m,
                   args.k,
                   args.n,
                   args.x_stride,
                   args.weight_stride,
                   args.out_stride,
                   args.weight_is_transposed,
                   args.precision,
                   args.epilogue,
                   AlignmentOf(args.x),
                   AlignmentOf(args.weight),
                   AlignmentOf(args.bias),
                   AlignmentOf(args.out)};
  auto known = algorithms_.find(key);
  if (known == algorithms_.end()) {
    if (handle_ == nullptr) {
      if (std::string error = MakeHandle(); !error.empty()) return error;
    }
    Algorithm found;
    if (std::string error = product.FindAlgorithm(handle_.get(), args, workspace_bytes_, found); !error.empty()) {
      return error;
    }
    known = algorithms_.emplace(key, found).first;
  }
  algorithm = &known->second;
  return "";
}

std::string CublasLt::Run(const GemmArgs& args, cudaStream_t stream, bool* has_algorithm) {
  if (has_algorithm != nullptr) *has_algorithm = true;
  if (std::string error = CheckGemm(args); !error.empty() || args.m == 0) return error;
  Product product;
  if (std::string error = product.Describe(args); !error.empty()) return error;
  const Algorithm* algorithm = nullptr;
  if (std::string error = AlgorithmOf(args, product, algorithm); !error.empty()) return error;
  if (algorithm->has_value()) {
    return product.Launch(handle_.get(), args, **algorithm, workspace_, workspace_bytes_, stream);
  }
  if (has_algorithm != nullptr) {
    *has_algorithm = false;
    return "";
  }
  return "gemm: cuBLASLt has no algorithm for [" + std::to_string(args.m) + ", " + std::to_string(args.k) + "] by [" +
         std::to_string(args.k) + ", " + std::to_string(args.n) + "]";
}

}  // namespace ablate::kernels
