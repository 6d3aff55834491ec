// UTF-8: strict decoding of one character, and the lossy decoding that Hugging Face applies to token bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ablate::tokenizer {

// What stands at an offset: a whole character, or the bytes that one U+FFFD replaces.
struct Utf8Step {
  char32_t code_point = 0;  // meaningful where `valid`
  size_t length = 0;        // bytes; a maximal invalid part where not `valid`
  bool valid = false;
};

// Requires offset < text.size(). Overlong forms, surrogates and values over U+10FFFF are invalid.
Utf8Step StepUtf8(std::string_view text, size_t offset);

// Offset of the first byte that is not UTF-8; nullopt where all of it is.
std::optional<size_t> FindInvalidUtf8(std::string_view text);

// One U+FFFD for each maximal invalid part (Unicode 3.9, "substitution of maximal subparts"), as in Rust's
// String::from_utf8_lossy.
std::string ToUtf8Lossy(std::string_view bytes);

void AppendUtf8(char32_t code_point, std::string& out);

}  // namespace ablate::tokenizer
