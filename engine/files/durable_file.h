// Files that appear whole or not at all.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace ablate {

struct DurableFileOptions {
  // Of a new file, less the process's umask.
  mode_t mode = 0644;
  // A file that is replaced hands its owner, group and permissions on. Who may not give a file to that owner fails.
  bool keep_owner_and_mode = false;
};

// Writes a file beside `path`, brings it to disk and gives it its name: a reader never sees half of it, and it survives
// a crash once this has returned. A file of this name is replaced. `next` gives the bytes behind offset, a piece at a
// time, and nothing at the end. FailedPrecondition names the path and the system's error.
absl::Status WriteDurably(const std::string& path, const std::function<std::string(int64_t offset)>& next,
                          const DurableFileOptions& options = {});

// Removes what writers that were killed have left in `folder`: temporary files older than a day.
void RemoveLeftovers(const std::string& folder);

}  // namespace ablate
