// JSON from files that nobody vouches for.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ablate {

// Parses one JSON object. InvalidArgument, starting with `where`, for text that is not JSON (a NUL byte included, which
// nlohmann's parser takes for the end), another value than an object, a key that appears twice in one object, and
// values nested deeper than 32: a parsed tree never needs more stack than that to walk or to destroy.
absl::StatusOr<nlohmann::json> ParseStrictJson(std::string_view text, std::string_view where);

// `text` between backquotes, escaped as in JSON to printable ASCII and cut after 100 bytes: fit for a message whatever
// a file says.
std::string Quote(std::string_view text);
// The same for a JSON value as it stands in a file.
std::string Quote(const nlohmann::json& value);

}  // namespace ablate
