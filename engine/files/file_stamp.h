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
  // Of the contents or of owner and permissions, and nobody can set it back.
  int64_t changed_ns = 0;
  bool operator==(const FileStamp&) const = default;
};

inline int64_t NanosecondsOf(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// nullopt where there is no such file.
inline std::optional<FileStamp> StampOfFile(const std::string& path) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) return std::nullopt;
  return FileStamp{.device = facts.st_dev,
                   .inode = facts.st_ino,
                   .size = facts.st_size,
                   .modified_ns = NanosecondsOf(facts.st_mtim),
                   .changed_ns = NanosecondsOf(facts.st_ctim)};
}

}  // namespace ablate
