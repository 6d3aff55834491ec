// gemm by cuBLASLt: its handle, its workspace, and which of its algorithms each shape takes.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/gemm_product.h"
#include "kernels/gemm_shape.h"

namespace ablate::kernels {

// One device's. Not thread-safe: launches of one workspace must follow each other on one stream.
class CublasLt {
 public:
  // `workspace`: device memory of so many bytes, aligned to 256, that outlives this; NVIDIA advises 32 MiB on Hopper.
  CublasLt(void* workspace, size_t workspace_bytes) : workspace_(workspace), workspace_bytes_(workspace_bytes) {}

  // Queues one product on `stream` (none where M is 0) and returns at once; empty, or what went wrong: CheckGemm's
  // message, cuBLASLt's status, or that it has no algorithm for these arguments. Which epilogues it fuses depends on
  // precision and GPU: with `has_algorithm` the last is no error but told there, and nothing is queued.
  //
  // A shape takes the algorithm that was measured or adopted for it; else the one that cuBLASLt thinks fastest, for
  // which it is asked once. Batch-invariant products of all M take one, asked for at kInvariantRows rows. The same
  // algorithm at the same shape gives the same bits.
  std::string Run(const GemmArgs& args, cudaStream_t stream, bool* has_algorithm = nullptr);

  // Whether Measure would run anything: the shape was not measured yet, and is not to be batch-invariant.
  bool WouldMeasure(const GemmArgs& args) const;

  // Measures which of cuBLASLt's kMostCandidates first algorithms is the fastest, in some hundred runs, unless that is
  // known or the product is batch-invariant, and gives up at `deadline`. Overwrites `out`, but under kAddTo: there it
  // is read, and `scratch` [M, O], of out_stride, is overwritten. Waits for the stream, which is not the default one.
  // Errors as Run's; an algorithm that fails is none.
  std::string Measure(const GemmArgs& args, float* scratch, cudaStream_t stream,
                      std::chrono::steady_clock::time_point deadline);

  // What was measured and adopted here, ordered by shape.
  std::vector<MeasuredGemm> measured() const;
  // How many shapes were measured here.
  int n_measured() const { return n_measured_; }
  // Takes it from another process. It is shown to cuBLASLt before its first use, and forgotten where that will not have
  // it. What was measured here stays.
  void Adopt(const MeasuredGemm& measured);

  static constexpr size_t kMostCandidates = 8;
  // Few enough that small products keep several multiprocessors busy, enough for tiles that large ones gain from. Not
  // yet measured on a GPU.
  static constexpr int64_t kInvariantRows = 512;

 private:
  struct Choice {
    // Null where cuBLASLt has none.
    std::optional<GemmAlgorithm> algorithm;
    // 0: not measured.
    double microseconds = 0;
    // By cuBLASLt, in this process.
    bool is_checked = true;
  };

  std::string MakeHandle();
  // Of the choices, or asked for and put there.
  std::string ChoiceOf(const GemmArgs& args, const GemmShape& shape, const GemmProduct& product, Choice*& choice);
  // What cuBLASLt thinks fastest.
  std::string Ask(const GemmArgs& args, const GemmShape& shape, const GemmProduct& product, Choice& choice);

  void* workspace_;
  size_t workspace_bytes_;
  CublasLtOwned<cublasLtHandle_t> handle_;
  std::map<GemmShape, Choice> choices_;
  int n_measured_ = 0;
};

}  // namespace ablate::kernels
