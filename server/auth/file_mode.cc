#include "server/auth/file_mode.h"

#include <sys/stat.h>

#include "absl/strings/str_format.h"

namespace ablate {

std::string WhyTooOpen(const std::string& path) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) return "";
  // A group that may read is a usual way to let the server's user in.
  constexpr unsigned kTooMuch = S_IWGRP | S_IRWXO;
  if ((facts.st_mode & kTooMuch) == 0) return "";
  const bool can_write = (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  return absl::StrFormat("other users of this machine may %s it (mode %04o): chmod 600, or 640 for the server's group",
                         can_write ? "change" : "read", facts.st_mode & 07777);
}

}  // namespace ablate
