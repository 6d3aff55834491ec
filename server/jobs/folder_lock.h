// One process a folder.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace ablate {

// Held until it goes, or the process dies. Movable.
class FolderLock {
 public:
  // AlreadyExists where another process holds it; PermissionDenied where this one may not write there;
  // FailedPrecondition where the file `lock` cannot be made or the file system has no locks.
  static absl::StatusOr<FolderLock> Take(const std::string& folder);

  FolderLock(FolderLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int file) : file_(file) {}
  int file_;
};

}  // namespace ablate
