#include "client/cpp/cli/json_prompts.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cpp/cli/prompt_fields.h"

namespace ablate::cli {
namespace {

using nlohmann::json;

// Keys keep their order, in which fields are written out again.
using OrderedJson = nlohmann::ordered_json;

json Parse(absl::string_view text) {
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

absl::Status AddPrompt(const OrderedJson& object, std::string origin, DataSet* data) {
  if (!object.is_object()) return absl::InvalidArgumentError("expected a JSON object, {\"prompt\": ...}");
  auto& prompt = data->prompts.emplace_back();
  data->origins.push_back(std::move(origin));
  data->fields.emplace_back();
  for (const auto& [key, value] : object.items()) {
    const auto is_ours = SetPromptField(key, json(value), &prompt);
    if (!is_ours.ok()) return is_ours.status();
    if (!*is_ours) data->SetField(key, value.dump());
  }
  return CheckHasInput(prompt);
}

absl::Status At(absl::string_view where, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", status.message()));
}

}  // namespace

bool IsJsonDocument(absl::string_view text) {
  // No line of a data set is a list.
  if (text.substr(0, 1) == "[") return true;
  // Lines are far more common, and the first of them is read in no time.
  const json first = Parse(text.substr(0, text.find('\n')));
  if (!first.is_discarded()) return first.is_object() && first.contains("prompts") && first["prompts"].is_array();
  const json whole = Parse(text);
  return whole.is_object() && whole.contains("prompts");
}

absl::Status ParseJsonLines(absl::string_view source, absl::string_view text, DataSet* data) {
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    const std::string origin = absl::StrCat(source, ", line ", number);
    const auto object = OrderedJson::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
    if (object.is_discarded()) {
      return At(origin, absl::InvalidArgumentError("not valid JSON (or not valid UTF-8)"));
    }
    if (auto status = AddPrompt(object, origin, data); !status.ok()) return At(origin, status);
  }
  return absl::OkStatus();
}

absl::Status ParseJsonDocument(absl::string_view source, absl::string_view text, DataSet* data) {
  auto prompts = OrderedJson::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (prompts.is_object() && prompts.contains("prompts")) prompts = OrderedJson(std::move(prompts["prompts"]));
  if (!prompts.is_array()) {
    return At(source, absl::InvalidArgumentError(
                          "expected {\"prompts\": [{\"clean\": ...}, ...]}, or the list alone, in valid JSON"));
  }
  for (const auto& object : prompts) {
    const std::string origin = absl::StrCat(source, ", prompts[", data->prompts.size(), "]");
    if (auto status = AddPrompt(object, origin, data); !status.ok()) return At(origin, status);
  }
  return absl::OkStatus();
}

}  // namespace ablate::cli
