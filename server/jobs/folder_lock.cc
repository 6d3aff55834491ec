#include "server/jobs/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace ablate {

absl::StatusOr<FolderLock> FolderLock::Take(const std::string& folder) {
  const std::string path = folder + "/lock";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    const bool is_forbidden = errno == EACCES || errno == EPERM || errno == EROFS;
    return absl::Status(is_forbidden ? absl::StatusCode::kPermissionDenied : absl::StatusCode::kFailedPrecondition,
                        absl::StrCat("cannot open ", path, ": ", std::strerror(errno)));
  }
  FolderLock lock(file);
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return absl::AlreadyExistsError(absl::StrCat("another server uses the folder ", folder));
    return absl::FailedPreconditionError(
        absl::StrCat("cannot lock ", path, ": ", std::strerror(errno), "; put --jobs-dir on a local disk"));
  }
  return lock;
}

FolderLock::~FolderLock() {
  if (file_ >= 0) close(file_);
}

}  // namespace ablate
