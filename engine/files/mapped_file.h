// A whole file, mapped read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ablate {

// Owns the mapping; spans of bytes() are valid while it lives, also after a move. The file must not shrink meanwhile:
// the kernel answers a read behind the new end with SIGBUS.
class MappedFile {
 public:
  // Regular files only, symbolic links followed; an empty file has no bytes. NotFound where there is none,
  // InvalidArgument for a directory or a device, PermissionDenied and Internal for the system's other errors. Messages
  // name the path.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::string& path() const { return path_; }
  absl::Span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  MappedFile(std::string path, const uint8_t* data, size_t size) : path_(std::move(path)), data_(data), size_(size) {}
  void Unmap();

  std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ablate
