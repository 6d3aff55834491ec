// SHA-256 over several pieces of bytes.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ablate {

// Lower-case hex of the pieces' concatenation. Internal where OpenSSL refuses the algorithm.
absl::StatusOr<std::string> Sha256Hex(absl::Span<const absl::Span<const uint8_t>> pieces);

}  // namespace ablate
