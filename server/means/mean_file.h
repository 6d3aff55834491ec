// A mean library as a safetensors file (docs/means.md): `mean` and `count`, and in the metadata the library's
// description and the arrays' SHA-256.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/means/mean_library.h"

namespace ablate {

// The file of a library, made piece by piece: its arrays are not copied. Equal libraries give equal files.
class MeanFile {
 public:
  // InvalidArgument where CheckMeanLibrary refuses it, or its description is longer than ParseMeanFile takes.
  static absl::StatusOr<MeanFile> Make(std::shared_ptr<const MeanLibrary> library);

  int64_t size_bytes() const;
  // Bytes offset .. offset + size - 1, or fewer at the file's end; empty behind it.
  std::string Read(int64_t offset, int64_t size) const;

 private:
  MeanFile(std::shared_ptr<const MeanLibrary> library, std::string header)
      : library_(std::move(library)), header_(std::move(header)) {}

  std::shared_ptr<const MeanLibrary> library_;
  // With its length in front.
  std::string header_;
};

// The library in a file, whole and checked; `info.size_bytes` is the file's. InvalidArgument names `path`, and what
// came and was expected.
absl::StatusOr<MeanLibrary> ParseMeanFile(absl::Span<const uint8_t> bytes, std::string_view path);

// Its description alone: reads no array.
absl::StatusOr<ablation::v1::MeanLibrary> ParseMeanInfo(absl::Span<const uint8_t> bytes, std::string_view path);

}  // namespace ablate
