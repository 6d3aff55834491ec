#include "client/cpp/request_id.h"

#include <cstdint>
#include <random>

#include "absl/strings/str_format.h"

namespace ablate::client {

std::string MakeRequestId() {
  std::random_device random;
  const uint32_t a = random(), b = random(), c = random(), d = random();
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%04x%08x", a, b >> 16U, b & 0xFFFU, 0x8000U | (c >> 18U), c & 0xFFFFU,
                         d);
}

}  // namespace ablate::client
