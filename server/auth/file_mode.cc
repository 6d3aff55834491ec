#include "server/auth/file_mode.h"

#include <sys/stat.h>

#include "absl/strings/str_format.h"

namespace ablate {
namespace {

constexpr unsigned kOthersWrite = S_IWGRP | S_IWOTH;

std::string WhyOneOf(unsigned bits, const std::string& path) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0 || (facts.st_mode & bits) == 0) return "";
  return absl::StrFormat("other users of this machine may %s it (mode %04o): chmod 600, or 640 for the server's group",
                         (facts.st_mode & kOthersWrite) != 0 ? "change" : "read", facts.st_mode & 07777);
}

}  // namespace

std::string WhyTooOpen(const std::string& path) {
  // A group that may read is a usual way to let the server's user in.
  return WhyOneOf(kOthersWrite | S_IRWXO, path);
}

std::string WhyChangeable(const std::string& path) {
  return WhyOneOf(kOthersWrite, path);
}

}  // namespace ablate
