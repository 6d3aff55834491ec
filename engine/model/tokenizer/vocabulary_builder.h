// Collects and checks what the tokenizer's files say, whichever files they are.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "engine/model/tokenizer/added_tokens.h"
#include "engine/model/tokenizer/bpe.h"
#include "nlohmann/json.hpp"

namespace ablate::tokenizer {

// Call SetVocabulary, AddToken for each added token, Seal, then AddMerge for each merge. `where` opens each message:
// the file, and the place in it.
class VocabularyBuilder {
 public:
  // `vocabulary` maps tokens, in the byte alphabet, to ids.
  absl::Status SetVocabulary(const std::string& where, const nlohmann::json& vocabulary);
  // Tokens of the vocabulary may be added under their own id; the same token twice is one token.
  absl::Status AddToken(const std::string& where, const AddedToken& token);
  // Checks that the ids are 0 .. V-1, each token is spelt in the byte alphabet or added, and every byte has a token.
  absl::Status Seal();
  absl::Status AddMerge(const std::string& where, std::string_view left, std::string_view right);

  std::vector<std::string> TakeBytes() { return std::move(bytes_); }
  std::vector<AddedToken> TakeAdded() { return std::move(added_); }
  Bpe TakeBpe() { return *std::move(bpe_); }

 private:
  std::string where_;                                // of the vocabulary
  absl::flat_hash_map<std::string, int32_t> ids_;    // by spelling, added tokens included
  absl::flat_hash_map<int32_t, std::string> spelt_;  // the reverse
  std::vector<AddedToken> added_;
  std::vector<std::string> bytes_;  // [V]
  std::optional<Bpe> bpe_;
};

// A token as messages show it: in quotes, escaped as in JSON.
std::string Quoted(std::string_view token);

}  // namespace ablate::tokenizer
