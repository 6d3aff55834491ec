// Ids that nobody guesses and no two share.
#pragma once

#include <random>
#include <string>

#include "absl/strings/str_cat.h"

namespace ablate {

// 128 random bits as 32 lower-case hex digits.
inline std::string RandomId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, absl::Hex(random(), absl::kZeroPad8));
  return id;
}

}  // namespace ablate
