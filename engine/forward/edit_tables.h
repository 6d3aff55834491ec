// The edit tables of a Run's scans as one tensor on the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "engine/types.h"

namespace ablate {

// Keeps the last tensor, since a request's scans come in many Runs and a mean library takes time to copy. For the
// thread that owns the device.
class EditTables {
 public:
  // What the scans name: their tables one behind the other.
  struct Combined {
    at::Tensor entries;                // [E, Dh]; undefined where no scan has a table
    std::vector<int32_t> first_entry;  // [scans]
  };
  // Throws where they have more entries than an int32 can name.
  Combined Combine(absl::Span<const Scan> scans, const at::TensorOptions& options);

  void Clear();

 private:
  std::vector<std::shared_ptr<const EditTable>> tables_;  // those in entries_, each once
  at::Tensor entries_;
};

}  // namespace ablate
