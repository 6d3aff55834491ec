// A temporary folder that only this user may enter, removed with what it holds.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace ablate::client {

class PrivateFolder {
 public:
  // Under TMPDIR, or /tmp where that is not set or so long that a unix socket's path (107 bytes) would not fit.
  static absl::StatusOr<PrivateFolder> Make();
  PrivateFolder(PrivateFolder&& other) noexcept;
  PrivateFolder& operator=(PrivateFolder&& other) = delete;
  ~PrivateFolder();

  const std::string& path() const { return path_; }

 private:
  explicit PrivateFolder(std::string path);
  std::string path_;
};

}  // namespace ablate::client
