// Folders with a small tokenizer, whole or damaged, for tests.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"

namespace ablate::testing {

// The 256 byte characters in GPT-2's order (ids 0 .. 255), then `merged` tokens, then `<|endoftext|>`.
nlohmann::json SmallVocabulary(const std::vector<std::string>& merged);

// h e, l l, he ll, hell o, Ġ w: ids 256 .. 260; `<|endoftext|>` is 261.
nlohmann::json SmallVocabulary();
std::string SmallMerges();
// The same as tokenizer.json, with GPT-2's pre-tokenizer and decoder.
nlohmann::json SmallTokenizerJson();

// A folder of its own that lives as long as the object.
class Folder {
 public:
  explicit Folder(const std::vector<std::pair<std::string, std::string>>& files);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace ablate::testing
