// Folders with a small tokenizer, whole or damaged, for tests.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/engine/files/temp_dir.h"

namespace ablate::testing {

// The 256 byte characters in GPT-2's order (ids 0 .. 255), then `merged` tokens, then `<|endoftext|>`.
nlohmann::json SmallVocabulary(const std::vector<std::string>& merged);

// h e, l l, he ll, hell o, Ġ w: ids 256 .. 260; `<|endoftext|>` is 261.
nlohmann::json SmallVocabulary();
std::string SmallMerges();
// The same as tokenizer.json, with GPT-2's pre-tokenizer and decoder.
nlohmann::json SmallTokenizerJson();

// A temporary folder with these files, by name.
class Folder : public TempDir {
 public:
  explicit Folder(const std::vector<std::pair<std::string, std::string>>& files);
};

}  // namespace ablate::testing
