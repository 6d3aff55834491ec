// What was measured on a GPU (kernels/gemm_cublaslt.h, kernels/block_shapes.h), brought from one process to the next by
// a file (tuning_file.h). No torch header.
#pragma once

#include <functional>
#include <future>
#include <string>

#include "engine/forward/tuning_file.h"
#include "kernels/block_shapes.h"
#include "kernels/gemm_cublaslt.h"

namespace ablate {

// For the thread that owns the device. Nothing here fails a Run: what cannot be kept is measured again.
class KeptTuning {
 public:
  // Adopts what the file has; one that is damaged is ignored with a warning. `cublas_lt` and `block_shapes` outlive
  // this; `warn` may be called from another thread.
  KeptTuning(kernels::CublasLt& cublas_lt, kernels::BlockShapes& block_shapes, TuningFile file,
             std::function<void(const std::string&)> warn);

  // Writes what is not yet written.
  ~KeptTuning();
  KeptTuning(const KeptTuning&) = delete;
  KeptTuning& operator=(const KeptTuning&) = delete;

  // Writes what was measured since the last time, if anything, in a thread of its own, unless that is still writing.
  // Warns where it cannot, and leaves it then.
  void Keep() noexcept;

 private:
  int n_measured() const { return cublas_lt_.n_measured() + block_shapes_.n_measured(); }
  // Whether the file was written.
  bool Write() const noexcept;

  kernels::CublasLt& cublas_lt_;
  kernels::BlockShapes& block_shapes_;
  const TuningFile file_;
  const std::function<void(const std::string&)> warn_;
  Tuning to_write_;
  int n_kept_;
  bool has_given_up_ = false;
  // The last write; its end waits for it.
  std::future<bool> writing_;
};

}  // namespace ablate
