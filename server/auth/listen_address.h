// Who can reach an address that the server listens on.
#pragma once

#include <string>

namespace ablate {

// Whether whoever can reach `listen` may be somebody else than this machine's users. Only a unix socket, `localhost`
// and addresses of the loopback device written as numbers are not public: another name may resolve to anything.
bool IsPublic(const std::string& listen);

}  // namespace ablate
