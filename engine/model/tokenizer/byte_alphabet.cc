#include "engine/model/tokenizer/byte_alphabet.h"

#include <array>

#include "engine/model/tokenizer/utf8.h"

namespace ablate::tokenizer {
namespace {

constexpr char32_t kCharacters = 256 + 68;  // the alphabet lies below U+0144

// GPT-2's bytes_to_unicode: printable Latin-1 stands for itself, the 68 others follow from U+0100 in their order.
struct Alphabet {
  std::array<char32_t, 256> character;
  std::array<int16_t, kCharacters> byte;  // -1: not in the alphabet
};

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet{};
  for (int16_t& byte : alphabet.byte) byte = -1;
  char32_t next = 256;
  for (int16_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const char32_t character = printable ? static_cast<char32_t>(byte) : next++;
    alphabet.character[byte] = character;
    alphabet.byte[character] = byte;
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();
static_assert(kAlphabet.character[' '] == U'Ġ' && kAlphabet.byte[kCharacters - 1] == 0xAD);

}  // namespace

std::string ByteCharacter(uint8_t byte) {
  std::string out;
  AppendUtf8(kAlphabet.character[byte], out);
  return out;
}

std::optional<std::string> BytesOfSpelling(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  for (size_t offset = 0; offset < spelling.size();) {
    const Utf8Step step = StepUtf8(spelling, offset);
    if (!step.valid || step.code_point >= kCharacters || kAlphabet.byte[step.code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byte[step.code_point]));
    offset += step.length;
  }
  return bytes;
}

}  // namespace ablate::tokenizer
