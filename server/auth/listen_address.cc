#include "server/auth/listen_address.h"

#include <arpa/inet.h>

#include "absl/strings/match.h"

namespace ablate {

bool IsPublic(const std::string& listen) {
  if (absl::StartsWith(listen, "unix:")) return false;
  const std::string host = listen.substr(0, listen.rfind(':'));
  if (host == "localhost" || host == "[::1]") return false;
  in_addr address = {};
  constexpr unsigned kLoopbackNet = 127;
  return inet_pton(AF_INET, host.c_str(), &address) != 1 || ntohl(address.s_addr) >> 24 != kLoopbackNet;
}

}  // namespace ablate
