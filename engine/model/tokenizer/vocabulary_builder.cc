#include "engine/model/tokenizer/vocabulary_builder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/model/tokenizer/byte_alphabet.h"
#include "engine/model/tokenizer/vocabulary.h"

namespace ablate::tokenizer {
namespace {

using nlohmann::json;

template <typename... Parts>
absl::Status Wrong(const std::string& where, const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", parts...));
}

// Room for hundreds of times GPT-2's vocabulary; keeps every id an int32 and a lying file from taking all memory.
constexpr int64_t kMaxVocabulary = 16'777'216;

}  // namespace

std::string Quoted(std::string_view token) {
  return json(token).dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

absl::Status VocabularyBuilder::SetVocabulary(const std::string& where, const json& vocabulary) {
  where_ = where;
  if (!vocabulary.is_object()) return Wrong(where, "expected an object of token: id, got ", vocabulary.type_name());
  if (vocabulary.empty()) return Wrong(where, "the vocabulary is empty");
  for (const auto& [token, id] : vocabulary.items()) {
    if (token.empty()) return Wrong(where, "an empty token, with id ", id.dump());
    if (!id.is_number_integer()) {
      return Wrong(where, "token ", Quoted(token), " has the id ", id.dump(), "; expected an integer");
    }
    const bool in_range = id.is_number_unsigned() ? id.get<uint64_t>() < kMaxVocabulary : false;
    if (!in_range) {
      return Wrong(where, "token ", Quoted(token), " has the id ", id.dump(), "; ids must be 0 .. ",
                   vocabulary.size() - 1);
    }
    const auto value = id.get<int32_t>();
    const auto [other, is_new] = spelt_.try_emplace(value, token);
    if (!is_new) {
      return Wrong(where, "tokens ", Quoted(std::min(other->second, token)), " and ",
                   Quoted(std::max(other->second, token)), " have the same id, ", value);
    }
    ids_.emplace(token, value);
  }
  if (const auto end = ids_.find(kEndOfText); end != ids_.end()) added_.push_back({kEndOfText, end->second});
  return absl::OkStatus();
}

absl::Status VocabularyBuilder::AddToken(const std::string& where, const AddedToken& token) {
  if (token.content.empty()) return Wrong(where, "an added token is empty");
  if (token.id < 0 || token.id >= kMaxVocabulary) {
    return Wrong(where, "added token ", Quoted(token.content), " has the id ", token.id, "; expected one from 0 on");
  }
  const auto [known, is_new] = ids_.try_emplace(token.content, token.id);
  if (known->second != token.id) {
    return Wrong(where, "added token ", Quoted(token.content), " has the id ", token.id,
                 ", but the vocabulary gives it ", known->second);
  }
  const auto [other, is_free] = spelt_.try_emplace(token.id, token.content);
  if (other->second != token.content) {
    return Wrong(where, "added token ", Quoted(token.content), " has the id ", token.id, ", which is that of ",
                 Quoted(other->second));
  }
  const auto same = std::find_if(added_.begin(), added_.end(),
                                 [&](const AddedToken& added) { return added.content == token.content; });
  if (same == added_.end()) {
    added_.push_back(token);
  } else {
    same->normalized = token.normalized;
  }
  return absl::OkStatus();
}

absl::Status VocabularyBuilder::Seal() {
  const auto size = static_cast<int32_t>(spelt_.size());
  bytes_.resize(size);
  for (int32_t id = 0; id < size; ++id) {
    const auto found = spelt_.find(id);
    if (found == spelt_.end()) {
      return Wrong(where_, "no token has the id ", id, "; expected ", size, " tokens to have the ids 0 .. ", size - 1);
    }
    const std::string& spelling = found->second;
    std::optional<std::string> bytes = BytesOfSpelling(spelling);
    if (!bytes.has_value()) {
      const bool added = std::any_of(added_.begin(), added_.end(), [&](const AddedToken& t) { return t.id == id; });
      if (!added) {
        return Wrong(where_, "token ", Quoted(spelling), " (id ", id,
                     ") has characters outside of GPT-2's byte alphabet and is not an added token");
      }
      bytes = spelling;  // as Hugging Face's ByteLevel decoder takes it
    }
    bytes_[id] = *std::move(bytes);
  }

  std::array<int32_t, 256> byte_ids;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string character = ByteCharacter(static_cast<uint8_t>(byte));
    const auto found = ids_.find(character);
    if (found == ids_.end()) {
      return Wrong(where_, absl::StrFormat("byte 0x%02X has no token; expected %s", byte, Quoted(character)));
    }
    byte_ids[byte] = found->second;
  }
  bpe_.emplace(byte_ids);
  return absl::OkStatus();
}

absl::Status VocabularyBuilder::AddMerge(const std::string& where, std::string_view left, std::string_view right) {
  const std::array<std::string, 3> tokens = {std::string(left), std::string(right), std::string(left).append(right)};
  const auto merge = [&] { return absl::StrCat("merge ", Quoted(left), " + ", Quoted(right)); };
  std::array<int32_t, 3> ids;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto found = ids_.find(tokens[i]);
    if (found == ids_.end()) return Wrong(where, merge(), ": ", Quoted(tokens[i]), " is not in the vocabulary");
    ids[i] = found->second;
  }
  if (!bpe_->AddMerge(ids[0], ids[1], ids[2])) return Wrong(where, merge(), " stands twice");
  return absl::OkStatus();
}

}  // namespace ablate::tokenizer
