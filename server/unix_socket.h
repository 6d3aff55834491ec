// The file of a unix socket, which outlives a server that crashes.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace ablate {

// The path in `unix:PATH` or `unix:///PATH`; empty where `listen` is no such address.
std::string UnixSocketPath(const std::string& listen);

// Makes sure that listening at `path` takes nothing from anybody (gRPC would replace a living server's socket without a
// word). A socket that nobody listens at, left by a crash, is removed. UNAVAILABLE where a server listens there;
// FAILED_PRECONDITION where something else stands there.
absl::Status ClaimUnixSocket(const std::string& path);

}  // namespace ablate
