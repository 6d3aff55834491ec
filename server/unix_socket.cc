#include "server/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

// 0 where somebody listens at `path`, else connect's errno.
int TryConnect(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  std::copy(path.begin(), path.end(), address.sun_path);
  // Not blocking: a server that accepts nobody must not hold us up (EAGAIN).
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  const int result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = result == 0 ? 0 : errno;
  close(fd);
  return error;
}

}  // namespace

std::string UnixSocketPath(const std::string& listen) {
  if (!absl::StartsWith(listen, "unix:")) return "";
  // With an authority, which is empty: unix:///PATH.
  return listen.substr(absl::StartsWith(listen, "unix:///") ? 7 : 5);
}

absl::Status ClaimUnixSocket(const std::string& path) {
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on unix:", path, ": a file that is no socket stands there (--listen)"));
  }
  const int error = TryConnect(path);
  if (error == 0 || error == EAGAIN || error == EINPROGRESS) {
    return absl::UnavailableError(absl::StrCat("cannot listen on unix:", path,
                                               ": another server is listening there; stop it, or choose another path "
                                               "(--listen)"));
  }
  if (error != ECONNREFUSED && error != ENOENT) {
    return absl::ErrnoToStatus(error, absl::StrCat("cannot listen on unix:", path, " (--listen)"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove the socket ", path, " that a crash left (--listen)"));
  }
  return absl::OkStatus();
}

}  // namespace ablate
