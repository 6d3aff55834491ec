// gemm by cuBLASLt: its handle, workspace and descriptions as values that free themselves.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>

#include "kernels/gemm.h"

namespace ablate::kernels {

// One device's. Not thread-safe: launches of one workspace must follow each other on one stream.
class CublasLt {
 public:
  // `workspace`: device memory of so many bytes, aligned to 256, that outlives this; NVIDIA advises 32 MiB on Hopper.
  CublasLt(void* workspace, size_t workspace_bytes) : workspace_(workspace), workspace_bytes_(workspace_bytes) {}

  // Queues one product on `stream` (none where M is 0) and returns at once; empty, or what went wrong: CheckGemm's
  // message, cuBLASLt's status, or that it has no algorithm for these arguments. Which epilogues it fuses depends on
  // precision and GPU: with `has_algorithm` the last is no error but told there, and nothing is queued. The first
  // product of a shape asks cuBLASLt for an algorithm, which its later ones take as well: the same shape at the same
  // alignment gives the same bits.
  std::string Run(const GemmArgs& args, cudaStream_t stream, bool* has_algorithm = nullptr);

 private:
  class Product;
  struct DestroyHandle {
    void operator()(cublasLtHandle_t handle) const { cublasLtDestroy(handle); }
  };
  // Sizes, strides, kind, and the alignment of x, weight, bias and out.
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, bool, GemmPrecision, GemmEpilogue,
                         uint32_t, uint32_t, uint32_t, uint32_t>;

  // Null where there is none.
  using Algorithm = std::optional<cublasLtMatmulAlgo_t>;

  std::string MakeHandle();
  // Of the cache, or asked for and put there.
  std::string AlgorithmOf(const GemmArgs& args, const Product& product, const Algorithm*& algorithm);

  void* workspace_;
  size_t workspace_bytes_;
  std::unique_ptr<std::remove_pointer_t<cublasLtHandle_t>, DestroyHandle> handle_;
  std::map<Key, Algorithm> algorithms_;
};

}  // namespace ablate::kernels
