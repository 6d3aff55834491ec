#include "engine/files/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;

constexpr char kSuffix[] = ".part";

absl::Status SystemError(absl::string_view what, const std::string& path, int error) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot ", what, " ", path, ": ", std::system_category().message(error)));
}

// Closes at the end of its scope.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, mode_t mode = 0) : fd_(open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status WriteAll(int fd, const std::string& bytes, const std::string& path) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError("write to", path, errno);
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

// Before there is anything to read in it.
absl::Status HandOn(const std::string& from, int fd, const std::string& path) {
  struct stat old = {}, made = {};
  if (stat(from.c_str(), &old) != 0) return absl::OkStatus();
  if (fstat(fd, &made) != 0) return SystemError("look at", path, errno);
  const bool same = old.st_uid == made.st_uid && old.st_gid == made.st_gid;
  if (!same && fchown(fd, old.st_uid, old.st_gid) != 0) return SystemError("keep the owner of", from, errno);
  return fchmod(fd, old.st_mode & 07777) == 0 ? absl::OkStatus() : SystemError("keep the permissions of", from, errno);
}

// `replaced` is the file that will be, where its owner and permissions are kept.
absl::Status WriteWhole(const std::string& path, const std::function<std::string(int64_t offset)>& next, mode_t mode,
                        const std::string& replaced) {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (file.fd() < 0) return SystemError("create", path, errno);
  if (!replaced.empty()) {
    const absl::Status handed_on = HandOn(replaced, file.fd(), path);
    if (!handed_on.ok()) return handed_on;
  }
  int64_t offset = 0;
  for (std::string piece = next(0); !piece.empty(); piece = next(offset)) {
    const absl::Status status = WriteAll(file.fd(), piece, path);
    if (!status.ok()) return status;
    offset += static_cast<int64_t>(piece.size());
  }
  return fsync(file.fd()) == 0 ? absl::OkStatus() : SystemError("write to", path, errno);
}

// So that a name given in it survives a crash. Some file systems have no such thing: then there is nothing to do.
void SyncFolder(const std::string& folder) {
  const Descriptor descriptor(folder, O_RDONLY | O_DIRECTORY);
  if (descriptor.fd() >= 0) fsync(descriptor.fd());
}

}  // namespace

absl::Status WriteDurably(const std::string& path, const std::function<std::string(int64_t offset)>& next,
                          const DurableFileOptions& options) {
  static std::atomic<int64_t> counter = 0;
  const fs::path folder = fs::path(path).parent_path();
  // Containers that share a folder may share process ids too: the time tells them apart, and O_EXCL what is left.
  const std::string temporary = absl::StrCat(path, ".", getpid(), "-", counter++, "-",
                                             std::chrono::steady_clock::now().time_since_epoch().count(), kSuffix);
  absl::Status status = WriteWhole(temporary, next, options.mode, options.keep_owner_and_mode ? path : "");
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) status = SystemError("write", path, errno);
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  SyncFolder(folder.empty() ? "." : folder.string());
  return absl::OkStatus();
}

void RemoveLeftovers(const std::string& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() != kSuffix) continue;
    std::error_code ignored;
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(entry->path(), ignored);
    if (!ignored && age > std::chrono::hours(24)) fs::remove(entry->path(), ignored);
  }
}

}  // namespace ablate
