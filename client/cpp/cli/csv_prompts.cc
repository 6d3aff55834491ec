#include "client/cpp/cli/csv_prompts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/csv_reader.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/prompt_fields.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

using ablation::v1::Prompt;
using nlohmann::json;

constexpr int kYears = 100;

bool IsValidUtf8(const std::string& text) {
  return json::parse(JsonString(text)).get<std::string>() == text;
}

bool Has(const std::vector<std::string>& header, absl::string_view name) {
  return std::find(header.begin(), header.end(), name) != header.end();
}

// EAP-IG's greater-than: no column names an answer, the label is a year.
bool IsGreaterThan(const std::vector<std::string>& header) {
  const auto is_answer = [](const std::string& name) {
    return name == "correct_idx" || name == "target_id" ||
           (IsPromptKey(name) && (absl::StartsWith(name, "target") || name == "answers"));
  };
  return Has(header, "label") && Has(header, "clean") && Has(header, "corrupted") &&
         std::none_of(header.begin(), header.end(), is_answer);
}

absl::Status SetYears(const std::string& cell, Prompt* prompt) {
  int year = -1;
  if (!absl::SimpleAtoi(cell, &year) || year < 0 || year >= kYears - 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("`label`: `", cell, "` is not a two-digit year from 0 to 98, which leaves a larger one"));
  }
  for (int i = 0; i < kYears; ++i) {
    (i > year ? prompt->add_targets() : prompt->add_contrasts())->set_text(absl::StrFormat("%02d", i));
  }
  return absl::OkStatus();
}

absl::Status SetId(const std::string& name, const std::string& cell,
                   google::protobuf::RepeatedPtrField<ablation::v1::TokenRef>* tokens) {
  int32_t id = -1;
  if (!absl::SimpleAtoi(cell, &id) || id < 0) {
    return absl::InvalidArgumentError(absl::StrCat("`", name, "`: `", cell, "` is not a token id"));
  }
  if (!tokens->empty()) {
    return absl::InvalidArgumentError(absl::StrCat("`", name, "`: another column names the token too"));
  }
  tokens->Add()->set_id(id);
  return absl::OkStatus();
}

absl::Status SetCell(const std::string& name, const std::string& cell, bool is_greater_than, DataSet* data) {
  Prompt* prompt = &data->prompts.back();
  if (name == "target_id" || name == "correct_idx") return SetId(name, cell, prompt->mutable_targets());
  if (name == "contrast_id" || name == "incorrect_idx") return SetId(name, cell, prompt->mutable_contrasts());
  if (name == "label" && is_greater_than) return SetYears(cell, prompt);
  json value = cell;
  if (TakesList(name)) {
    value = json::parse(cell, nullptr, /*allow_exceptions=*/false);
    if (!value.is_array()) {
      return absl::InvalidArgumentError(
          absl::StrCat("`", name, "`: `", cell, "` is not a list in JSON, such as [\" a\", \" b\"]"));
    }
  }
  const auto is_ours = SetPromptField(name, value, prompt);
  if (!is_ours.ok()) return is_ours.status();
  if (!*is_ours) data->SetField(name, JsonString(cell));
  return absl::OkStatus();
}

absl::Status AddPrompt(const std::vector<std::string>& header, const CsvRecord& record, bool is_greater_than,
                       DataSet* data) {
  if (record.fields.size() != header.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(record.fields.size(), " fields, expected ", header.size(), " as in the header"));
  }
  data->prompts.emplace_back();
  data->fields.emplace_back();
  for (size_t i = 0; i < header.size(); ++i) {
    if (record.fields[i].empty()) continue;
    if (!IsValidUtf8(record.fields[i])) {
      return absl::InvalidArgumentError(absl::StrCat("`", header[i], "` is not valid UTF-8"));
    }
    if (auto status = SetCell(header[i], record.fields[i], is_greater_than, data); !status.ok()) return status;
  }
  return CheckHasInput(data->prompts.back());
}

absl::Status CheckHeader(const std::vector<std::string>& header) {
  for (size_t i = 0; i < header.size(); ++i) {
    if (std::count(header.begin(), header.end(), header[i]) > 1) {
      return absl::InvalidArgumentError(absl::StrCat("the header names `", header[i], "` twice"));
    }
  }
  if (!Has(header, "prompt") && !Has(header, "clean") && !Has(header, "text") && !Has(header, "token_ids")) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header names no column `prompt` (or `clean`, or `token_ids`), but ",
                     Cut(Quote(absl::StrJoin(header, ",")), 60),
                     "; expected such a header and commas between fields, or JSON lines"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseCsvPrompts(absl::string_view source, absl::string_view text, DataSet* data) {
  const auto at = [&](int line, const absl::Status& status) {
    return absl::InvalidArgumentError(absl::StrCat(source, ", line ", line, ": ", status.message()));
  };
  auto records = ReadCsv(text);
  if (!records.ok()) return absl::InvalidArgumentError(absl::StrCat(source, ", ", records.status().message()));
  if (records->empty()) return absl::OkStatus();
  std::vector<std::string> header = std::move((*records)[0].fields);
  for (size_t i = 0; i < header.size(); ++i) {
    if (header[i].empty()) header[i] = absl::StrCat("column_", i + 1);
  }
  if (auto status = CheckHeader(header); !status.ok()) return at((*records)[0].line, status);
  const bool is_greater_than = IsGreaterThan(header);
  for (size_t r = 1; r < records->size(); ++r) {
    const CsvRecord& record = (*records)[r];
    data->origins.push_back(absl::StrCat(source, ", line ", record.line));
    if (auto status = AddPrompt(header, record, is_greater_than, data); !status.ok()) return at(record.line, status);
  }
  data->has_foreign_ids = Has(header, "correct_idx") || Has(header, "incorrect_idx");
  if (is_greater_than) data->reduction = ablation::v1::REDUCTION_PROB_SUM;
  return absl::OkStatus();
}

}  // namespace ablate::cli
