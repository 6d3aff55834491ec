#include "tests/server/fake_tokenizer.h"

#include <array>

namespace ablate {
namespace {

constexpr std::array<std::string_view, 5> kWords = {"<|endoftext|>", "Berlin", " is", " Germany", " France"};

constexpr std::array<char, 256> AllBytes() {
  std::array<char, 256> bytes = {};
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i);
  return bytes;
}
constexpr std::array<char, 256> kBytes = AllBytes();

}  // namespace

absl::StatusOr<std::vector<int32_t>> FakeTokenizer::Encode(std::string_view text) const {
  if (on_encode_) on_encode_();
  std::vector<int32_t> ids;
  while (!text.empty()) {
    int32_t id = static_cast<unsigned char>(text.front());
    for (size_t word = 0; word < kWords.size(); ++word) {
      if (text.starts_with(kWords[word])) id = static_cast<int32_t>(kBytes.size() + word);
    }
    text.remove_prefix(TokenBytes(id).size());
    ids.push_back(id);
  }
  return ids;
}

std::string_view FakeTokenizer::TokenBytes(int32_t id) const {
  const auto index = static_cast<size_t>(id);
  return index < kBytes.size() ? std::string_view(&kBytes[index], 1) : kWords.at(index - kBytes.size());
}

std::string FakeTokenizer::TokenText(int32_t id) const {
  return id >= 128 && id < 256 ? "\xEF\xBF\xBD" : std::string(TokenBytes(id));
}

std::string FakeTokenizer::Decode(absl::Span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text += TokenText(id);
  return text;
}

}  // namespace ablate
