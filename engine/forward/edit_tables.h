// The edit tables of a Run's scans as one tensor on the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "engine/types.h"

namespace ablate {

// Keeps the last tensor, since a request's scans come in many Runs and a mean library takes time to copy; not the
// tables themselves, which go with their request. For the thread that owns the device.
class EditTables {
 public:
  // Nobody tells when a request has ended: a tensor of more bytes is not kept beyond its Run. That of GPT-2 XL's means
  // at 1,024 positions has 315 MB.
  static constexpr int64_t kMostKeptBytes = int64_t{512} << 20;

  explicit EditTables(int64_t most_kept_bytes = kMostKeptBytes) : most_kept_bytes_(most_kept_bytes) {}

  // What the scans name: their tables one behind the other.
  struct Combined {
    at::Tensor entries;                // [E, Dh]; undefined where no scan has a table
    std::vector<int32_t> first_entry;  // [scans]
  };
  // Throws where they have more entries than an int32 can name.
  Combined Combine(absl::Span<const Scan> scans, const at::TensorOptions& options);

  // The end of a Run.
  void Trim();
  void Clear();

 private:
  const int64_t most_kept_bytes_;
  std::vector<std::weak_ptr<const EditTable>> tables_;  // those in entries_, each once
  at::Tensor entries_;
};

}  // namespace ablate
