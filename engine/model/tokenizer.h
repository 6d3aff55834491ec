// Byte-level BPE, exactly as Hugging Face's GPT2TokenizerFast: same ids, same text, on any bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ablate {

// Immutable after Load and safe to share between threads.
class Tokenizer {
 public:
  // Reads `vocab.json` + `merges.txt` from `model_dir` (with the added tokens of `added_tokens.json` and
  // `tokenizer_config.json`, where these exist), or `tokenizer.json` where the pair is absent. Errors name the file and
  // what is wrong with it. Unimplemented: a file asks for something that GPT-2 has not (another pre-tokenizer, a
  // normalizer, `add_prefix_space`, ...).
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> Load(const std::string& model_dir);
  virtual ~Tokenizer() = default;

  // Ids of `text`; special tokens (`<|endoftext|>`) are recognised. Bytes that are not UTF-8 are an InvalidArgument
  // that tells the offset.
  virtual absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text) const = 0;

  // The bytes of a token, exactly; valid while the tokenizer lives. An id outside of [0, vocab_size()) has none, here
  // and below, as in Hugging Face's decode.
  virtual std::string_view TokenBytes(int32_t id) const = 0;
  // As Hugging Face decodes it: bytes that are not UTF-8 become U+FFFD (one for each maximal invalid part).
  virtual std::string TokenText(int32_t id) const = 0;
  // The text of several ids joined before decoding, so that characters split over tokens come out whole.
  virtual std::string Decode(absl::Span<const int32_t> ids) const = 0;

  virtual int32_t vocab_size() const = 0;
  // Id of `<|endoftext|>`; -1 where the vocabulary has none.
  virtual int32_t bos_token_id() const = 0;
  // Lower-case hex over the files in the order in which they were read.
  virtual const std::string& sha256() const = 0;
};

}  // namespace ablate
