// Tells a file from what it was, and from another that took its name.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>

namespace ablate {

struct FileStamp {
  uint64_t device = 0, inode = 0;
  int64_t size = 0, modified_ns = 0;
  bool operator==(const FileStamp&) const = default;
};

// nullopt where there is no such file.
inline std::optional<FileStamp> StampOfFile(const std::string& path) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) return std::nullopt;
  return FileStamp{.device = facts.st_dev,
                   .inode = facts.st_ino,
                   .size = facts.st_size,
                   .modified_ns = int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec};
}

}  // namespace ablate
