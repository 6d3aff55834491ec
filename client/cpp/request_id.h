// Names of requests, by which a server knows one that it has had before (AIP-155).
#pragma once

#include <string>

namespace ablate::client {

// A random UUID in lower-case hex (RFC 4122, version 4).
std::string MakeRequestId();

}  // namespace ablate::client
