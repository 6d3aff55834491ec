#include "tests/kernels/fake_cublaslt.h"

#include <cublasLt.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "kernels/time_launches.h"

namespace ablate::kernels {

FakeCublasLt& Fake() {
  static FakeCublasLt fake;
  return fake;
}

// In the place of the one that needs a GPU.
std::optional<double> TimeLaunches(int runs, cudaStream_t /*stream*/, const std::function<bool()>& launch) {
  ++Fake().n_measurements;
  for (int run = 0; run < runs; ++run) {
    if (!launch()) return std::nullopt;
  }
  return Fake().microseconds.at(Fake().launched.back().algorithm);
}

namespace {

struct Description {
  cublasOperation_t op_a = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const float* bias = nullptr;
};
struct Layout {
  cudaDataType_t type;
  uint64_t rows, columns;
  int64_t stride;

  double At(const void* matrix, uint64_t row, uint64_t column) const {
    const uint64_t at = row + column * static_cast<uint64_t>(stride);
    if (type == CUDA_R_32F) return static_cast<double>(static_cast<const float*>(matrix)[at]);
    return static_cast<double>(
        std::bit_cast<float>(static_cast<uint32_t>(static_cast<const uint16_t*>(matrix)[at]) << 16U));
  }
};
struct Preference {
  size_t workspace_bytes = 0;
  uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t x_alignment = 256;
};

template <typename Value, typename Handle>
Value& Of(Handle handle) {
  return *reinterpret_cast<Value*>(handle);
}
template <typename Value, typename Handle>
cublasStatus_t Create(Handle* handle, Value value) {
  *handle = reinterpret_cast<Handle>(new Value(value));
  return CUBLAS_STATUS_SUCCESS;
}
template <typename Value, typename Handle>
cublasStatus_t Destroy(Handle handle) {
  delete reinterpret_cast<Value*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}
template <typename Value>
cublasStatus_t Copy(Value& to, const void* from, size_t bytes) {
  if (bytes != sizeof(to)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

double GeluTanh(double y) {
  return 0.5 * y * (1 + std::tanh(std::sqrt(2 / M_PI) * (y + 0.044715 * y * y * y)));
}

}  // namespace
}  // namespace ablate::kernels

using namespace ablate::kernels;  // NOLINT(google-build-using-namespace): what follows is cuBLASLt's, in no namespace

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return Create(handle, 0);
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return Destroy<int>(handle);
}
const char* cublasLtGetStatusName(cublasStatus_t status) {
  return status == CUBLAS_STATUS_EXECUTION_FAILED ? "CUBLAS_STATUS_EXECUTION_FAILED" : "another status";
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description, cublasComputeType_t, cudaDataType_t) {
  return Create(description, Description());
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  return Destroy<Description>(description);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              size_t bytes) {
  auto& d = Of<Description>(description);
  if (attribute == CUBLASLT_MATMUL_DESC_TRANSA) return Copy(d.op_a, value, bytes);
  if (attribute == CUBLASLT_MATMUL_DESC_EPILOGUE) return Copy(d.epilogue, value, bytes);
  if (attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER) {
    d.bias = *static_cast<const float* const*>(value);
    return CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type, uint64_t rows,
                                          uint64_t columns, int64_t stride) {
  return Create(layout, Layout{type, rows, columns, stride});
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return Destroy<Layout>(layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return Create(preference, Preference());
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return Destroy<Preference>(preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    size_t bytes) {
  auto& p = Of<Preference>(preference);
  uint32_t unused = 0;
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return Copy(p.workspace_bytes, value, bytes);
  if (attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return Copy(p.schemes, value, bytes);
  if (attribute == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES) return Copy(p.x_alignment, value, bytes);
  return Copy(unused, value, bytes);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t x, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t* results, int* count) {
  const auto& p = Of<Preference>(preference);
  const uint64_t m = Of<Layout>(x).columns;
  Fake().asked.push_back({m, most, p.schemes, p.x_alignment, p.workspace_bytes});
  *count = 0;
  if (Of<Description>(description).epilogue == CUBLASLT_EPILOGUE_GELU_BIAS && !Fake().fuses_gelu) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  for (size_t i = 0; i < Fake().microseconds.size() && *count < most; ++i) {
    results[*count] = {};
    results[*count].algo.data[0] = i;
    results[*count].algo.data[1] = m;
    results[(*count)++].state = CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                       const cublasLtMatmulAlgo_t* algorithm, cublasLtMatmulHeuristicResult_t* result) {
  result->state = CUBLAS_STATUS_SUCCESS;
  result->workspaceSize = 0;
  return Fake().refused.contains(algorithm->data[0]) ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t description, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algorithm, void*, size_t,
                              cudaStream_t) {
  if (Fake().failing.contains(algorithm->data[0])) return CUBLAS_STATUS_EXECUTION_FAILED;
  Fake().launched.push_back({algorithm->data[0], algorithm->data[1]});
  const auto& how = Of<Description>(description);
  const auto &la = Of<Layout>(a_layout), &lb = Of<Layout>(b_layout), &lc = Of<Layout>(c_layout),
             &ld = Of<Layout>(d_layout);
  const double scale = static_cast<double>(*static_cast<const float*>(alpha));
  const double keep = static_cast<double>(*static_cast<const float*>(beta));
  for (uint64_t column = 0; column < ld.columns; ++column) {
    for (uint64_t row = 0; row < ld.rows; ++row) {
      double sum = 0;
      for (uint64_t l = 0; l < lb.rows; ++l) {
        sum += (how.op_a == CUBLAS_OP_T ? la.At(a, l, row) : la.At(a, row, l)) * lb.At(b, l, column);
      }
      sum *= scale;
      if (keep != 0) sum += keep * lc.At(c, row, column);
      if (how.epilogue == CUBLASLT_EPILOGUE_GELU_BIAS) sum = GeluTanh(sum + static_cast<double>(how.bias[row]));
      static_cast<float*>(d)[row + column * static_cast<uint64_t>(ld.stride)] = static_cast<float>(sum);
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}
