// GPT-2's byte alphabet: the files spell each byte of a token as one printable character (a space is `Ġ`).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ablate::tokenizer {

// The character, as UTF-8, that stands for `byte`.
std::string ByteCharacter(uint8_t byte);

// The bytes that `spelling` stands for; nullopt where a character is none of the 256 (or is not UTF-8).
std::optional<std::string> BytesOfSpelling(std::string_view spelling);

}  // namespace ablate::tokenizer
