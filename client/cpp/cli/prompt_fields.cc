#include "client/cpp/cli/prompt_fields.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace ablate::cli {
namespace {

using ablation::v1::Prompt;
using nlohmann::json;
using TokenRefs = google::protobuf::RepeatedPtrField<ablation::v1::TokenRef>;

enum class Meaning { kNone, kText, kTokenIds, kTargets, kContrasts, kCorrupted, kCorruptedTokenIds, kTemplate };

struct Key {
  const char* name;
  Meaning meaning;
};

constexpr Key kKeys[] = {
    {"prompt", Meaning::kText},
    {"clean", Meaning::kText},
    {"text", Meaning::kText},
    {"token_ids", Meaning::kTokenIds},
    {"target", Meaning::kTargets},
    {"targets", Meaning::kTargets},
    {"answers", Meaning::kTargets},
    {"contrast", Meaning::kContrasts},
    {"contrasts", Meaning::kContrasts},
    {"wrong_answers", Meaning::kContrasts},
    {"corrupted", Meaning::kCorrupted},
    {"corrupt", Meaning::kCorrupted},
    {"corrupted_token_ids", Meaning::kCorruptedTokenIds},
    {"template", Meaning::kTemplate},
};

Meaning MeaningOf(const std::string& name) {
  for (const Key& key : kKeys) {
    if (name == key.name) return key.meaning;
  }
  return Meaning::kNone;
}

absl::Status Twice(const std::string& key, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("`", key, "`: ", what, " is given a second time"));
}

absl::StatusOr<std::string> Text(const std::string& key, const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return absl::InvalidArgumentError(absl::StrCat("`", key, "` is not a text: ", value.dump()));
}

absl::Status SetTokenIds(const std::string& key, const json& value, ablation::v1::TokenIds* ids) {
  if (!value.is_array()) return absl::InvalidArgumentError(absl::StrCat("`", key, "` is not a list of token ids"));
  for (const json& element : value) {
    const auto id = ParseTokenId(key, element);
    if (!id.ok()) return id.status();
    ids->add_ids(*id);
  }
  return absl::OkStatus();
}

absl::Status AddToken(const std::string& key, const json& value, TokenRefs* tokens) {
  if (value.is_string()) {
    tokens->Add()->set_text(value.get<std::string>());
    return absl::OkStatus();
  }
  const auto id = ParseTokenId(key, value);
  if (!id.ok()) return absl::InvalidArgumentError(absl::StrCat(id.status().message(), " or a text"));
  tokens->Add()->set_id(*id);
  return absl::OkStatus();
}

absl::Status SetTokens(const std::string& key, const json& value, TokenRefs* tokens) {
  if (!tokens->empty()) return Twice(key, "the answer set");
  if (!value.is_array()) return AddToken(key, value, tokens);
  for (const json& element : value) {
    if (auto status = AddToken(key, element, tokens); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// A prompt is a text or token ids; auto-circuit's `clean` may be either.
absl::Status SetInput(const std::string& key, const json& value, bool expects_ids, Prompt* prompt) {
  if (prompt->input_case() != Prompt::INPUT_NOT_SET) return Twice(key, "the prompt");
  if (expects_ids || value.is_array()) return SetTokenIds(key, value, prompt->mutable_token_ids());
  const auto text = Text(key, value);
  if (text.ok()) prompt->set_text(*text);
  return text.status();
}

absl::Status SetCorrupted(const std::string& key, const json& value, bool expects_ids, Prompt* prompt) {
  if (prompt->corrupted_input_case() != Prompt::CORRUPTED_INPUT_NOT_SET) return Twice(key, "the corrupted prompt");
  if (expects_ids || value.is_array()) return SetTokenIds(key, value, prompt->mutable_corrupted_token_ids());
  const auto text = Text(key, value);
  if (text.ok()) prompt->set_corrupted_text(*text);
  return text.status();
}

absl::Status Set(Meaning meaning, const std::string& key, const json& value, Prompt* prompt) {
  switch (meaning) {
    case Meaning::kText:
    case Meaning::kTokenIds:
      return SetInput(key, value, meaning == Meaning::kTokenIds, prompt);
    case Meaning::kTargets:
      return SetTokens(key, value, prompt->mutable_targets());
    case Meaning::kContrasts:
      return SetTokens(key, value, prompt->mutable_contrasts());
    case Meaning::kCorrupted:
    case Meaning::kCorruptedTokenIds:
      return SetCorrupted(key, value, meaning == Meaning::kCorruptedTokenIds, prompt);
    default: {
      // A template may be numbered rather than named.
      if (value.is_number_integer()) {
        prompt->set_template_(value.dump());
        return absl::OkStatus();
      }
      const auto text = Text(key, value);
      if (text.ok()) prompt->set_template_(*text);
      return text.status();
    }
  }
}

}  // namespace

absl::StatusOr<int32_t> ParseTokenId(const std::string& key, const json& value) {
  if (value.is_number_integer()) {
    // Numbers over INT64_MAX are stored unsigned; as int64 they turn negative and are refused with the rest.
    const int64_t id = value.get<int64_t>();
    if (id >= 0 && id <= std::numeric_limits<int32_t>::max()) return static_cast<int32_t>(id);
  }
  return absl::InvalidArgumentError(absl::StrCat("`", key, "`: ", value.dump(), " is not a token id"));
}

absl::StatusOr<bool> SetPromptField(const std::string& key, const json& value, Prompt* prompt) {
  const Meaning meaning = MeaningOf(key);
  if (meaning == Meaning::kNone) return false;
  if (value.is_null()) return true;
  if (auto status = Set(meaning, key, value, prompt); !status.ok()) return status;
  return true;
}

bool IsPromptKey(const std::string& key) {
  return MeaningOf(key) != Meaning::kNone;
}

bool TakesList(const std::string& key) {
  switch (MeaningOf(key)) {
    case Meaning::kTokenIds:
    case Meaning::kCorruptedTokenIds:
      return true;
    case Meaning::kTargets:
    case Meaning::kContrasts:
      return key.back() == 's';
    default:
      return false;
  }
}

absl::Status CheckHasInput(const Prompt& prompt) {
  if (prompt.input_case() != Prompt::INPUT_NOT_SET) return absl::OkStatus();
  return absl::InvalidArgumentError("`prompt` is missing (or `clean`, or `token_ids`)");
}

}  // namespace ablate::cli
