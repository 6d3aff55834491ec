#include "engine/model/tokenizer/tokenizer_json.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ablate::tokenizer {
namespace {

using nlohmann::json;

const json kNull;

const json& Get(const json& object, const char* name) {
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

// A value that fits on one line of a message.
std::string Shown(const json& value) {
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
  if (text.size() > 120)
    text = absl::StrCat(Get(value, "type").is_string() ? Get(value, "type").dump() : "a long ",
                        Get(value, "type").is_string() ? "" : value.type_name());
  return text;
}

absl::Status Unsupported(const std::string& path, const std::string& name, const json& got, const char* expected) {
  return absl::UnimplementedError(
      absl::StrCat(path, ": ", name, " is ", Shown(got), "; only ", expected, " is supported"));
}

bool IsNullOr(const json& value, const json& other) {
  return value.is_null() || value == other;
}

absl::Status CheckModel(const std::string& path, const json& model) {
  if (!model.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": model: expected an object, got ", model.type_name()));
  }
  if (!IsNullOr(Get(model, "type"), "BPE")) return Unsupported(path, "model.type", Get(model, "type"), "\"BPE\"");
  if (!IsNullOr(Get(model, "dropout"), 0.0)) return Unsupported(path, "model.dropout", Get(model, "dropout"), "null");
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!IsNullOr(Get(model, name), ""))
      return Unsupported(path, absl::StrCat("model.", name), Get(model, name), "\"\"");
  }
  if (!IsNullOr(Get(model, "ignore_merges"), false)) {
    return Unsupported(path, "model.ignore_merges", Get(model, "ignore_merges"), "false");
  }
  return absl::OkStatus();
}

// What stands around the model must be what GPT2TokenizerFast puts there.
absl::Status CheckPipeline(const std::string& path, const json& root) {
  for (const char* name : {"normalizer", "truncation", "padding"}) {
    if (!Get(root, name).is_null()) return Unsupported(path, name, Get(root, name), "null");
  }
  const json& pre_tokenizer = Get(root, "pre_tokenizer");
  if (Get(pre_tokenizer, "type") != "ByteLevel")
    return Unsupported(path, "pre_tokenizer", pre_tokenizer, "\"ByteLevel\"");
  if (Get(pre_tokenizer, "add_prefix_space") != false) {
    return Unsupported(path, "pre_tokenizer.add_prefix_space", Get(pre_tokenizer, "add_prefix_space"), "false");
  }
  if (!IsNullOr(Get(pre_tokenizer, "use_regex"), true)) {
    return Unsupported(path, "pre_tokenizer.use_regex", Get(pre_tokenizer, "use_regex"), "true");
  }
  const json& decoder = Get(root, "decoder");
  if (Get(decoder, "type") != "ByteLevel") return Unsupported(path, "decoder", decoder, "\"ByteLevel\"");
  const json& post = Get(root, "post_processor");
  const bool adds_nothing =
      post.is_null() || Get(post, "type") == "ByteLevel" ||
      (Get(post, "type") == "TemplateProcessing" && Get(post, "special_tokens") == json::object());
  if (!adds_nothing) return Unsupported(path, "post_processor", post, "one that adds no tokens");
  return absl::OkStatus();
}

absl::Status AddTokens(const std::string& path, const json& tokens, VocabularyBuilder& builder) {
  if (tokens.is_null()) return absl::OkStatus();
  if (!tokens.is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": added_tokens: expected an array, got ", tokens.type_name()));
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string where = absl::StrCat(path, ": added_tokens[", i, "]");
    const absl::StatusOr<AddedToken> token = ParseAddedToken(where, Get(tokens[i], "id"), tokens[i]);
    if (!token.ok()) return token.status();
    if (absl::Status status = builder.AddToken(where, *token); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Each merge is "left right" (older files) or ["left", "right"].
absl::Status AddMerges(const std::string& path, const json& merges, VocabularyBuilder& builder) {
  if (!merges.is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": model.merges: expected an array, got ", merges.type_name()));
  }
  for (size_t i = 0; i < merges.size(); ++i) {
    const std::string where = absl::StrCat(path, ": model.merges[", i, "]");
    const json& merge = merges[i];
    std::string left, right;
    if (merge.is_string()) {
      const auto& text = merge.get_ref<const std::string&>();
      const size_t space = text.find(' ');
      left = text.substr(0, space);
      if (space != std::string::npos) right = text.substr(space + 1);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    }
    if (left.empty() || right.empty() || (merge.is_string() && right.find(' ') != std::string::npos)) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": expected \"left right\" or [\"left\", \"right\"], got ", Shown(merge)));
    }
    if (absl::Status status = builder.AddMerge(where, left, right); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int32_t> TokenId(const std::string& where, const json& id) {
  if (!id.is_number_unsigned() || id.get<uint64_t>() > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": expected an id from 0 on, got ", Shown(id)));
  }
  return id.get<int32_t>();
}

absl::StatusOr<AddedToken> ParseAddedToken(const std::string& where, const json& id, const json& token) {
  const json& content = Get(token, "content");
  if (!content.is_string()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": expected a token with a text `content`, got ", Shown(token)));
  }
  for (const char* name : {"single_word", "lstrip", "rstrip"}) {
    if (!IsNullOr(Get(token, name), false)) {
      return absl::UnimplementedError(absl::StrCat(where, ": token ", Quoted(content.get_ref<const std::string&>()),
                                                   " has ", name, " ", Shown(Get(token, name)),
                                                   "; only false is supported"));
    }
  }
  const absl::StatusOr<int32_t> value = TokenId(where, id);
  if (!value.ok()) return value.status();
  return AddedToken{.content = content.get<std::string>(),
                    .id = *value,
                    .normalized = IsNullOr(Get(token, "normalized"), true) && Get(token, "special") != true};
}

absl::Status AddTokenizerJson(const std::string& path, const json& root, VocabularyBuilder& builder) {
  const json& model = Get(root, "model");
  absl::Status status = CheckModel(path, model);
  if (status.ok()) status = CheckPipeline(path, root);
  if (status.ok()) status = builder.SetVocabulary(absl::StrCat(path, ": model.vocab"), Get(model, "vocab"));
  if (status.ok()) status = AddTokens(path, Get(root, "added_tokens"), builder);
  if (status.ok()) status = builder.Seal();
  if (status.ok()) status = AddMerges(path, Get(model, "merges"), builder);
  return status;
}

}  // namespace ablate::tokenizer
