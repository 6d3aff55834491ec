// Reads the tokenizer's files into tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/tokenizer/added_tokens.h"
#include "engine/model/tokenizer/bpe.h"

namespace ablate::tokenizer {

// `<|endoftext|>`: always a special token where the vocabulary has it, and GPT-2's BOS.
inline constexpr char kEndOfText[] = "<|endoftext|>";

struct Tables {
  std::vector<std::string> bytes;  // [V]
  Bpe bpe;
  std::vector<AddedToken> added;
  std::string sha256;  // over the files in the order in which they were read
};

// From `vocab.json` + `merges.txt`, with the added tokens of `added_tokens.json` and `tokenizer_config.json` where
// these exist; else from `tokenizer.json` alone. What Hugging Face's GPT2TokenizerFast would do and this does not
// (another pre-tokenizer, a prefix space, ...) is an error, never ignored.
absl::StatusOr<Tables> ReadTables(const std::string& model_dir);

}  // namespace ablate::tokenizer
