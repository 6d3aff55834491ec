#include "server/auth/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "engine/files/descriptor.h"

namespace ablate {
namespace {

constexpr size_t kMaxBytes = size_t{16} << 20;

absl::Status Unreadable(const std::string& path, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(path, " cannot be read: ", why));
}

absl::Status SystemError(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(absl::StrCat(path, ": no such file"));
  const std::string why = std::system_category().message(error);
  if (error != EACCES) return Unreadable(path, why);
  return Unreadable(path,
                    absl::StrCat(why, ": the user with the id ", geteuid(),
                                 " runs this program: chown the file to them, or chgrp it to a group of theirs and "
                                 "chmod 640, and let them into its folder"));
}

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, FileKind kind) {
  // O_NONBLOCK: a pipe must be seen to be one, not waited for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | (kind == FileKind::kRegular ? O_NONBLOCK : 0));
  if (fd < 0) return SystemError(path, errno);
  const Descriptor descriptor{fd};
  struct stat facts = {};
  if (fstat(fd, &facts) != 0) return SystemError(path, errno);
  if (kind == FileKind::kRegular && !S_ISREG(facts.st_mode)) return Unreadable(path, "it is no regular file");
  std::string text;
  std::array<char, 16384> piece = {};
  while (text.size() <= kMaxBytes) {
    const ssize_t n = read(fd, piece.data(), piece.size());
    if (n == 0) return text;
    if (n > 0) {
      text.append(piece.data(), static_cast<size_t>(n));
    } else if (errno != EINTR) {
      return SystemError(path, errno);
    }
  }
  return Unreadable(path, "it is larger than 16 MiB");
}

}  // namespace ablate
