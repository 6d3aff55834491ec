// Which algorithms were the fastest for a GPU's products, kept in a file from one process to the next. No torch header.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/gemm_shape.h"

namespace ablate {

// For whom a measurement is right.
struct GemmPlatform {
  std::string gpu;  // `NVIDIA H100 80GB HBM3`
  // A part of a GPU (MIG) has fewer.
  int32_t multiprocessors = 0;
  int64_t cublaslt_version = 0;
};

// One file of a folder for each platform: JSON with a SHA-256 of what it says. Processes may share it: each adds what
// it has measured to what it finds; of two that write at the same moment one's additions are lost, to be measured anew.
class GemmFile {
 public:
  GemmFile(const std::string& folder, GemmPlatform platform);

  const std::string& path() const { return path_; }

  // Empty where there is no file. Else an error that names the file and what is wrong with it: the caller goes on
  // without, and the next Add replaces it.
  absl::StatusOr<std::vector<kernels::MeasuredGemm>> Read() const;

  // Adds these, or puts them in the place of those of the same shape; makes the folder. Beyond kMost, none are added.
  absl::Status Add(absl::Span<const kernels::MeasuredGemm> measured) const;

  static constexpr size_t kMost = 4096;

 private:
  std::string path_;
  GemmPlatform platform_;
};

}  // namespace ablate
