// Files of tokens, keys and certificates: small, and read whole. Not mapped: one that somebody cuts short would end the
// process.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace ablate {

// Which files may be read. A pipe, such as a shell's `<(...)`, gives its bytes once: it is no file to come back to.
enum class FileKind { kRegular, kAny };

// NotFound where there is no such file. FailedPrecondition where it cannot be read, with the system's reason, and with
// the way out where the user that runs this process may not; or where it is larger than 16 MiB. Messages begin with the
// path.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, FileKind kind);

}  // namespace ablate
