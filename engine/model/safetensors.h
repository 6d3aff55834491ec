// The safetensors format: 8 bytes of header length (little-endian), a JSON header, and the tensors' bytes without a
// gap.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/model/tensor_view.h"

namespace ablate {

struct Safetensors {
  // In the order of their bytes in the file. They point into the bytes that were parsed.
  std::vector<TensorView> tensors;
  // The header's `__metadata__`.
  std::map<std::string, std::string> metadata;
};

// Parses and checks the whole header; trusts nothing in it. On success every tensor lies within `bytes`, its size is
// that of its shape and type, and the tensors cover the data without overlap, hole or rest. InvalidArgument names
// `path`, the tensor, what came and what was expected. Reads no tensor data.
absl::StatusOr<Safetensors> ParseSafetensors(absl::Span<const uint8_t> bytes, std::string_view path);

}  // namespace ablate
