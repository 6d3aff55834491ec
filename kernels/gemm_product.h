// One product as cuBLASLt describes it.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/gemm_shape.h"

namespace ablate::kernels {

// Frees what cuBLASLt made.
struct DestroyCublasLt {
  void operator()(cublasLtHandle_t handle) const { cublasLtDestroy(handle); }
  void operator()(cublasLtMatmulDesc_t description) const { cublasLtMatmulDescDestroy(description); }
  void operator()(cublasLtMatrixLayout_t layout) const { cublasLtMatrixLayoutDestroy(layout); }
  void operator()(cublasLtMatmulPreference_t preference) const { cublasLtMatmulPreferenceDestroy(preference); }
};

template <typename Handle>
using CublasLtOwned = std::unique_ptr<std::remove_pointer_t<Handle>, DestroyCublasLt>;

// `gemm: cublasLtMatmul: CUBLAS_STATUS_...`
std::string GemmFailed(const char* call, cublasStatus_t status);

// cuBLASLt's matrices are column by column, ours row by row, so that it computes the transposed:
// out^T [O, M] = W^T [O, K] x^T [K, M].
class GemmProduct {
 public:
  // Arguments that CheckGemm lets through. Empty, or what failed.
  std::string Describe(const GemmArgs& args);

  // At most `most` that cuBLASLt thinks fit, the one that it thinks fastest in front; none where it has none for these
  // arguments. Batch-invariant ones split no sum over K.
  std::string FindAlgorithms(cublasLtHandle_t handle, const GemmShape& shape, size_t workspace_bytes, size_t most,
                             std::vector<GemmAlgorithm>& algorithms) const;

  // Whether cuBLASLt takes this algorithm here, in this workspace.
  bool Takes(cublasLtHandle_t handle, const GemmAlgorithm& algorithm, size_t workspace_bytes) const;

  // Queues it. `out` [M, O] may be another than the arguments', for what is only measured: kAddTo reads theirs.
  cublasStatus_t Launch(cublasLtHandle_t handle, const GemmArgs& args, float* out, const GemmAlgorithm& algorithm,
                        void* workspace, size_t workspace_bytes, cudaStream_t stream) const;

 private:
  CublasLtOwned<cublasLtMatmulDesc_t> description_;
  CublasLtOwned<cublasLtMatrixLayout_t> weight_, x_, out_;
};

}  // namespace ablate::kernels
