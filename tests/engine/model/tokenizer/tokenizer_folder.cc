#include "tests/engine/model/tokenizer/tokenizer_folder.h"

#include <cstdint>

#include "engine/model/tokenizer/byte_alphabet.h"

namespace ablate::testing {
namespace {

using nlohmann::json;

bool StandsForItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

}  // namespace

json SmallVocabulary(const std::vector<std::string>& merged) {
  json vocabulary = json::object();
  for (bool printable : {true, false}) {
    for (int byte = 0; byte < 256; ++byte) {
      const std::string character = tokenizer::ByteCharacter(static_cast<uint8_t>(byte));
      if (StandsForItself(byte) == printable) vocabulary[character] = vocabulary.size();
    }
  }
  for (const std::string& token : merged) vocabulary[token] = vocabulary.size();
  vocabulary["<|endoftext|>"] = vocabulary.size();
  return vocabulary;
}

json SmallVocabulary() {
  return SmallVocabulary({"he", "ll", "hell", "hello", "Ġw"});
}

std::string SmallMerges() {
  return "#version: 0.2\nh e\nl l\nhe ll\nhell o\nĠ w\n";
}

json SmallTokenizerJson() {
  const json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens",
           {{{"id", 261},
             {"content", "<|endoftext|>"},
             {"single_word", false},
             {"lstrip", false},
             {"rstrip", false},
             {"normalized", true},
             {"special", true}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", byte_level},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"vocab", SmallVocabulary()},
            {"merges", {"h e", "l l", json::array({"he", "ll"}), "hell o", "Ġ w"}}}}};
}

Folder::Folder(const std::vector<std::pair<std::string, std::string>>& files) {
  for (const auto& [name, text] : files) Write(name, text);
}

}  // namespace ablate::testing
