// The tokenizer behind engine/model/tokenizer.h: split off added tokens, cut into pieces, merge.
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/model/tokenizer.h"
#include "engine/model/tokenizer/pre_tokenizer.h"
#include "engine/model/tokenizer/utf8.h"
#include "engine/model/tokenizer/vocabulary.h"

namespace ablate {
namespace {

class Gpt2Tokenizer final : public Tokenizer {
 public:
  explicit Gpt2Tokenizer(tokenizer::Tables tables)
      : bytes_(std::move(tables.bytes)), bpe_(std::move(tables.bpe)), sha256_(std::move(tables.sha256)) {
    for (const tokenizer::AddedToken& token : tables.added) {
      if (token.content == tokenizer::kEndOfText) bos_token_id_ = token.id;
    }
    added_ = std::make_unique<const tokenizer::AddedTokens>(std::move(tables.added));
  }

  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text) const override {
    if (const std::optional<size_t> bad = tokenizer::FindInvalidUtf8(text); bad.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("the text is not UTF-8: byte 0x%02X at offset %d", static_cast<uint8_t>(text[*bad]), *bad));
    }
    std::vector<int32_t> ids;
    for (const tokenizer::Span& span : added_->Split(text)) {
      if (span.id >= 0) {
        ids.push_back(span.id);
        continue;
      }
      for (std::string_view rest = span.text; !rest.empty();) {
        const size_t size = tokenizer::NextPiece(rest);
        bpe_.Encode(rest.substr(0, size), ids);
        rest.remove_prefix(size);
      }
    }
    return ids;
  }

  std::string_view TokenBytes(int32_t id) const override {
    return id >= 0 && id < vocab_size() ? std::string_view(bytes_[id]) : std::string_view();
  }
  std::string TokenText(int32_t id) const override { return tokenizer::ToUtf8Lossy(TokenBytes(id)); }
  std::string Decode(absl::Span<const int32_t> ids) const override {
    std::string bytes;
    for (int32_t id : ids) bytes.append(TokenBytes(id));
    return tokenizer::ToUtf8Lossy(bytes);
  }

  int32_t vocab_size() const override { return static_cast<int32_t>(bytes_.size()); }
  int32_t bos_token_id() const override { return bos_token_id_; }
  const std::string& sha256() const override { return sha256_; }

 private:
  std::vector<std::string> bytes_;  // [V]
  tokenizer::Bpe bpe_;
  std::unique_ptr<const tokenizer::AddedTokens> added_;
  int32_t bos_token_id_ = -1;
  std::string sha256_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::Load(const std::string& model_dir) {
  try {
    absl::StatusOr<tokenizer::Tables> tables = tokenizer::ReadTables(model_dir);
    if (!tables.ok()) return tables.status();
    return std::make_unique<const Gpt2Tokenizer>(*std::move(tables));
  } catch (const std::exception& error) {  // out of memory, at most: the readers return what is wrong with a file
    return absl::InternalError(absl::StrCat(model_dir, ": the tokenizer cannot be loaded: ", error.what()));
  }
}

}  // namespace ablate
