// A tokenizer with a vocabulary that fits into one's head: bytes 0 .. 255, then whole words.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/model/tokenizer.h"

namespace ablate {

// Takes the longest word at each place, else a byte.
class FakeTokenizer final : public Tokenizer {
 public:
  FakeTokenizer() = default;
  // Calls `on_encode` at the begin of each text.
  explicit FakeTokenizer(std::function<void()> on_encode) : on_encode_(std::move(on_encode)) {}

  static constexpr int32_t kBos = 256, kBerlin = 257, kIs = 258, kGermany = 259, kFrance = 260, kVocabSize = 261;

  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text) const override;
  std::string_view TokenBytes(int32_t id) const override;
  std::string TokenText(int32_t id) const override;
  std::string Decode(absl::Span<const int32_t> ids) const override;
  int32_t vocab_size() const override { return kVocabSize; }
  int32_t bos_token_id() const override { return kBos; }
  const std::string& sha256() const override { return sha256_; }

 private:
  const std::function<void()> on_encode_;
  const std::string sha256_ = "70ce";
};

}  // namespace ablate
