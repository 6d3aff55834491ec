// Text for error messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace ablate {

// `text` cut to at most `max_bytes` at a character's edge, with ` ...` where something was left out. `text` is UTF-8.
std::string Truncated(absl::string_view text, size_t max_bytes);

// `text` in double quotes, cut to 80 bytes; quotes, backslashes and control characters are escaped.
std::string Quoted(absl::string_view text);

// What is expected of a count: `2 .. 5`, or `exactly 2` where that is all.
std::string Between(int64_t least, int64_t most);

}  // namespace ablate
