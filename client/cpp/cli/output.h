// Where results go: the standard output, or a file that appears only when it is whole.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ablate::cli {

// Buffered writes to a file descriptor.
class Output {
 public:
  // The standard output, flushed at every Flush.
  static std::unique_ptr<Output> Standard();
  // Writes beside `path` and puts the file in its place at Commit; without Commit, `path` stays as it was. An existing
  // file keeps its permissions, a symbolic link stays and its target is replaced; a device or pipe is written directly.
  static absl::StatusOr<std::unique_ptr<Output>> ToFile(const std::string& path);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  absl::Status Write(absl::string_view text);
  absl::Status Flush();
  // Flushes; a file is brought to disk and takes its name.
  absl::Status Commit();
  // What Write would say of a reader that left (HasReaderLeft), before there is anything to write.
  absl::Status CheckReader() const;
  bool IsTerminal() const;
  // The terminal's, in characters and lines; 0 where it is none.
  struct Window {
    int width = 0, height = 0;
  };
  Window TerminalWindow() const;
  int fd() const { return fd_; }

 private:
  Output(int fd, std::string path, std::string temporary);
  absl::Status WriteError(int error) const;

  const int fd_;
  const std::string path_;  // as named to the user
  std::string final_path_;  // where the temporary file goes
  std::string temporary_;   // empty: written directly
  std::string buffer_;
};

// Whether an error of Output says that who reads the pipe is gone, as `head` is behind its lines: an end, no failure.
bool HasReaderLeft(const absl::Status& status);

}  // namespace ablate::cli
