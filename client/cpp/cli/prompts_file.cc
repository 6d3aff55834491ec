#include "client/cpp/cli/prompts_file.h"

#include <cerrno>
#include <cstdio>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ablate::cli {
namespace {

using nlohmann::json;

absl::StatusOr<int32_t> ParseId(absl::string_view key, const json& value) {
  if (value.is_number_integer()) {
    // Numbers over INT64_MAX are stored unsigned; as int64 they turn negative and are refused with the rest.
    const int64_t id = value.get<int64_t>();
    if (id >= 0 && id <= std::numeric_limits<int32_t>::max()) return static_cast<int32_t>(id);
  }
  return absl::InvalidArgumentError(absl::StrCat("`", key, "`: ", value.dump(), " is not a token id"));
}

absl::Status ParseToken(absl::string_view key, const json& value, ablation::v1::TokenRef* token) {
  if (value.is_string()) {
    token->set_text(value.get<std::string>());
    return absl::OkStatus();
  }
  const auto id = ParseId(key, value);
  if (!id.ok()) return absl::InvalidArgumentError(absl::StrCat(id.status().message(), " or a text"));
  token->set_id(*id);
  return absl::OkStatus();
}

absl::Status ParseField(const std::string& key, const json& value, ablation::v1::Prompt* prompt) {
  if (key == "target" || key == "contrast") {
    if (value.is_null()) return absl::OkStatus();
    return ParseToken(key, value, key == "target" ? prompt->mutable_target() : prompt->mutable_contrast());
  }
  if ((key == "prompt" || key == "token_ids") && prompt->input_case() != ablation::v1::Prompt::INPUT_NOT_SET) {
    return absl::InvalidArgumentError("both `prompt` and `token_ids` are given, expected one of them");
  }
  if (key == "prompt") {
    if (!value.is_string()) return absl::InvalidArgumentError(absl::StrCat("`prompt` is not a text: ", value.dump()));
    prompt->set_text(value.get<std::string>());
    return absl::OkStatus();
  }
  if (key == "token_ids") {
    if (!value.is_array()) return absl::InvalidArgumentError("`token_ids` is not a list");
    auto* ids = prompt->mutable_token_ids();
    for (const json& element : value) {
      const auto id = ParseId(key, element);
      if (!id.ok()) return id.status();
      ids->add_ids(*id);
    }
    return absl::OkStatus();
  }
  // A misspelt key would otherwise measure nothing, silently.
  return absl::InvalidArgumentError(
      absl::StrCat("unknown key `", key, "`; known are prompt, token_ids, target, contrast"));
}

absl::StatusOr<ablation::v1::Prompt> ParseLine(absl::string_view line) {
  const json object = json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded()) return absl::InvalidArgumentError("not valid JSON (or not valid UTF-8)");
  if (!object.is_object()) return absl::InvalidArgumentError("expected a JSON object, {\"prompt\": ...}");
  ablation::v1::Prompt prompt;
  for (const auto& [key, value] : object.items()) {
    if (auto status = ParseField(key, value, &prompt); !status.ok()) return status;
  }
  if (prompt.input_case() == ablation::v1::Prompt::INPUT_NOT_SET) {
    return absl::InvalidArgumentError("the key `prompt` is missing");
  }
  return prompt;
}

}  // namespace

absl::StatusOr<PromptLines> ParsePromptLines(absl::string_view source, absl::string_view text) {
  PromptLines result;
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    auto prompt = ParseLine(line);
    if (!prompt.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(source, ", line ", number, ": ", prompt.status().message()));
    }
    result.prompts.push_back(*std::move(prompt));
    result.line_numbers.push_back(number);
  }
  if (result.prompts.empty()) return absl::InvalidArgumentError(absl::StrCat(source, " holds no prompt"));
  return result;
}

absl::StatusOr<PromptLines> ReadPromptLines(const std::string& path) {
  const bool is_stdin = path == "-";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(is_stdin ? stdin : std::fopen(path.c_str(), "rbe"),
                                                   is_stdin ? [](FILE*) { return 0; } : std::fclose);
  const auto cannot = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("--prompts: ", absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path)).message()));
  };
  if (file == nullptr) return cannot();
  std::string text;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof(buffer), file.get())) text.append(buffer, n);
  if (std::ferror(file.get())) return cannot();
  return ParsePromptLines(is_stdin ? "standard input" : path, text);
}

}  // namespace ablate::cli
