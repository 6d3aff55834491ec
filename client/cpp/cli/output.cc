#include "client/cpp/cli/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace ablate::cli {
namespace {

constexpr size_t kBufferBytes = 1 << 16;
// Marks the errors of HasReaderLeft.
constexpr absl::string_view kReaderLeft = "ablate/reader-left";

// What a new file's mode would be, from the process's umask.
mode_t DefaultMode() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

Output::Output(int fd, std::string path, std::string temporary)
    : fd_(fd), path_(std::move(path)), temporary_(std::move(temporary)) {}

Output::~Output() {
  // Without Commit a file leaves nothing behind; the standard output keeps what was written.
  if (path_.empty()) {
    Flush().IgnoreError();
    return;
  }
  close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

std::unique_ptr<Output> Output::Standard() {
  return std::unique_ptr<Output>(new Output(STDOUT_FILENO, "", ""));
}

absl::StatusOr<std::unique_ptr<Output>> Output::ToFile(const std::string& path) {
  const auto cannot = [&](int error) {
    // A path that cannot be is wrong usage; a full disk, say, is not.
    const bool is_usage =
        error == ENOENT || error == ENOTDIR || error == EACCES || error == EPERM || error == EISDIR || error == EROFS;
    auto status = absl::ErrnoToStatus(error, absl::StrCat("--output: cannot write ", path));
    if (!is_usage) return status;
    return absl::InvalidArgumentError(
        absl::StrCat(status.message(), "; expected a file in a folder that exists and may be written to"));
  };
  struct stat existing = {};
  const bool exists = stat(path.c_str(), &existing) == 0;
  if (exists && !S_ISREG(existing.st_mode)) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return cannot(errno);
    return std::unique_ptr<Output>(new Output(fd, path, ""));
  }
  if (exists && access(path.c_str(), W_OK) != 0) return cannot(errno);
  std::error_code error;
  const std::filesystem::path target = std::filesystem::weakly_canonical(path, error);
  const std::string final_path = error || target.empty() ? path : target.string();
  std::string temporary = absl::StrCat(final_path, ".partial-XXXXXX");
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return cannot(errno);
  std::unique_ptr<Output> output(new Output(fd, path, std::move(temporary)));
  output->final_path_ = final_path;
  if (fchmod(fd, exists ? existing.st_mode & 07777 : DefaultMode()) != 0) return cannot(errno);
  return output;
}

absl::Status Output::WriteError(int error) const {
  auto status =
      absl::ErrnoToStatus(error, absl::StrCat("cannot write ", path_.empty() ? "the standard output" : path_));
  if (error == EPIPE) status.SetPayload(kReaderLeft, absl::Cord());
  return status;
}

absl::Status Output::Write(absl::string_view text) {
  buffer_.append(text.data(), text.size());
  return buffer_.size() < kBufferBytes ? absl::OkStatus() : Flush();
}

absl::Status Output::Flush() {
  const std::string pending = std::exchange(buffer_, "");
  for (absl::string_view rest = pending; !rest.empty();) {
    const ssize_t n = write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return WriteError(errno);
    rest.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::Status Output::Commit() {
  if (auto status = Flush(); !status.ok()) return status;
  if (temporary_.empty()) return absl::OkStatus();
  if (fsync(fd_) != 0 || rename(temporary_.c_str(), final_path_.c_str()) != 0) return WriteError(errno);
  temporary_.clear();
  return absl::OkStatus();
}

absl::Status Output::CheckReader() const {
  // Of a pipe without a reader POLLERR is told whether asked for or not.
  pollfd pipe = {.fd = fd_, .events = 0, .revents = 0};
  return poll(&pipe, 1, 0) == 1 && (pipe.revents & POLLERR) != 0 ? WriteError(EPIPE) : absl::OkStatus();
}

bool Output::IsTerminal() const {
  return isatty(fd_) == 1;
}

Output::Window Output::TerminalWindow() const {
  winsize window = {};
  if (ioctl(fd_, TIOCGWINSZ, &window) != 0) return {};
  return {.width = window.ws_col, .height = window.ws_row};
}

bool HasReaderLeft(const absl::Status& status) {
  return status.GetPayload(kReaderLeft).has_value();
}

}  // namespace ablate::cli
