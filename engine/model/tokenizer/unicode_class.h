// What a code point is to GPT-2's pattern: exactly as in the pinned Hugging Face `tokenizers`, whose Unicode is newer
// than that of Debian's regex libraries.
#pragma once

#include <cstdint>

namespace ablate::tokenizer {

enum class UnicodeClass : uint8_t { kOther, kLetter, kNumber, kSpace };

UnicodeClass ClassOf(char32_t code_point);

}  // namespace ablate::tokenizer
