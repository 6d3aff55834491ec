// A tensor as it lies in a weight file, and its conversion to the types that the engine computes in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace ablate {

// The element types of the safetensors format that fill whole bytes.
enum class Dtype {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kU16,
  kI16,
  kF16,
  kBF16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64,
  kC64
};

std::string_view Name(Dtype dtype);  // as in the file: `BF16`
std::optional<Dtype> ParseDtype(std::string_view name);
int64_t SizeInBytes(Dtype dtype);

// Does not own its bytes. They may lie at any address: elements need not be aligned.
struct TensorView {
  // As in the file, `transformer.` prefix included. Printable: the parser refuses control bytes.
  std::string name;
  // Path of the file that holds it, for messages.
  std::string file;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  // Row-major, little-endian; numel() * SizeInBytes(dtype) bytes.
  absl::Span<const uint8_t> bytes;

  // Product of the shape; 1 for a scalar.
  int64_t numel() const;
};

std::string ShapeString(absl::Span<const int64_t> shape);  // `[768, 2304]`

// Writes numel() elements to `out`. Exact for F32, F16 and BF16; InvalidArgument for other types, and for NaN or Inf,
// telling file, tensor, and the index of the first.
absl::Status CopyAsFloat(const TensorView& tensor, float* out);
absl::Status CopyAsDouble(const TensorView& tensor, double* out);

}  // namespace ablate
