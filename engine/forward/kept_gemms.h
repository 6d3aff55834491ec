// What was measured of a GPU's products (kernels/gemm_cublaslt.h), brought from one process to the next by a file
// (gemm_file.h). No torch header.
#pragma once

#include <functional>
#include <future>
#include <string>
#include <vector>

#include "engine/forward/gemm_file.h"
#include "kernels/gemm_cublaslt.h"

namespace ablate {

// For the thread that owns the device. Nothing here fails a Run: what cannot be kept is measured again.
class KeptGemms {
 public:
  // Adopts what the file has; one that is damaged is ignored with a warning. `cublas_lt` outlives this; `warn` may be
  // called from another thread.
  KeptGemms(kernels::CublasLt& cublas_lt, GemmFile file, std::function<void(const std::string&)> warn);

  // Writes what was measured since the last time, if anything, in a thread of its own, unless that is still writing.
  // Warns where it cannot, and leaves it then.
  void Keep() noexcept;

 private:
  // Whether the file was written.
  bool Write() const noexcept;

  kernels::CublasLt& cublas_lt_;
  const GemmFile file_;
  const std::function<void(const std::string&)> warn_;
  std::vector<kernels::MeasuredGemm> to_write_;
  int n_kept_;
  bool has_given_up_ = false;
  // The last write; waited for at the end.
  std::future<bool> writing_;
};

}  // namespace ablate
