// Reads a file of the tokenizer and parses it as JSON; every error names the file.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace ablate::tokenizer {

// All bytes of the file. NotFound where it does not exist.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// A JSON document whose root is an object. A key that an object has twice is an error: nothing tells which one is
// meant.
absl::StatusOr<nlohmann::json> ParseJsonObject(const std::string& path, const std::string& text);

}  // namespace ablate::tokenizer
