// The parts of `tokenizer.json` (and of its relatives) that a byte-level BPE has.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/model/tokenizer/added_tokens.h"
#include "engine/model/tokenizer/vocabulary_builder.h"
#include "nlohmann/json.hpp"

namespace ablate::tokenizer {

// `where` opens each message: the file, and the place in it.
absl::StatusOr<int32_t> TokenId(const std::string& where, const nlohmann::json& id);
absl::StatusOr<AddedToken> ParseAddedToken(const std::string& where, const nlohmann::json& id,
                                           const nlohmann::json& token);

// Checks that the file describes GPT-2's tokenizer and nothing beyond, and feeds its vocabulary, added tokens and
// merges to the builder, sealed.
absl::Status AddTokenizerJson(const std::string& path, const nlohmann::json& root, VocabularyBuilder& builder);

}  // namespace ablate::tokenizer
