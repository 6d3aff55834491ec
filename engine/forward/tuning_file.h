// What was measured to be the fastest on a GPU, kept in a file from one process to the next. No torch header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/block_shapes.h"
#include "kernels/gemm_shape.h"

namespace ablate {

// For whom a measurement is right.
struct TuningPlatform {
  std::string gpu;  // `NVIDIA H100 80GB HBM3`
  // A part of a GPU (MIG) has fewer.
  int32_t multiprocessors = 0;
  int64_t cublaslt_version = 0;
};

struct Tuning {
  // Algorithms of products.
  std::vector<kernels::MeasuredGemm> gemms;
  // Blocks of our own kernels.
  std::vector<kernels::MeasuredBlockShape> blocks;
};

// One file of a folder for each platform: JSON with a SHA-256 of what it says. Processes may share it: each adds what
// it has measured to what it finds; of two that write at the same moment one's additions are lost, to be measured anew.
class TuningFile {
 public:
  TuningFile(const std::string& folder, TuningPlatform platform);

  const std::string& path() const { return path_; }

  // Empty where there is no file. Else an error that names the file and what is wrong with it: the caller goes on
  // without, and the next Add replaces it.
  absl::StatusOr<Tuning> Read() const;

  // Adds these, or puts them in the place of those of the same shape or kind; makes the folder. Beyond kMost of either,
  // none are added.
  absl::Status Add(const Tuning& tuning) const;

  static constexpr size_t kMost = 4096;

 private:
  std::string path_;
  TuningPlatform platform_;
};

}  // namespace ablate
