#include "client/cpp/cli/result_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/csv_reader.h"
#include "client/cpp/cli/prompts_file.h"

namespace ablate::cli {
namespace {

using nlohmann::json;

// What identifies a row. The group's name tells apart variants of the same sites.
constexpr std::array<const char*, 6> kKeys = {"prompt_index", "variant",       "variant_name",
                                              "replacement",  "edit_position", "position"};
using Key = std::array<std::string, kKeys.size()>;

std::string Label(const Key& key) {
  const auto& [prompt, variant, name, replacement, edit_position, position] = key;
  std::string label = absl::StrCat("prompt ", prompt, ", ", variant);
  if (!name.empty()) absl::StrAppend(&label, " (", name, ")");
  if (!replacement.empty()) absl::StrAppend(&label, ", ", replacement);
  if (!edit_position.empty()) absl::StrAppend(&label, ", edited at ", edit_position);
  absl::StrAppend(&label, ", read at ", position);
  return label;
}

class Builder {
 public:
  explicit Builder(std::string name) { file_.name = std::move(name); }

  absl::Status Wrong(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(file_.name, ", ", what));
  }

  template <typename... Parts>
  absl::Status Wrong(int line, const Parts&... parts) const {
    return absl::InvalidArgumentError(absl::StrCat(file_.name, ", line ", line, ": ", parts...));
  }

  absl::Status AddRow(int line, const Key& key, std::vector<std::optional<double>> values) {
    std::string label = Label(key);
    if (!file_.index.emplace(absl::StrJoin(key, "\n"), file_.rows.size()).second) {
      return Wrong(line, "the row of ", label, " came before; expected each once");
    }
    file_.rows.push_back({std::move(label), std::move(values)});
    return absl::OkStatus();
  }

  // Of the manifest what makes two files' rows comparable: what was run and how it was read, not on which model or
  // machine.
  void AddExperiment(const json& manifest) {
    const auto add = [&](const std::string& name, const json& of, const char* field) {
      file_.experiment.emplace_back(name, of.contains(field) ? of[field].dump() : "null");
    };
    add("edit_positions", manifest, "edit_positions");
    add("prepend_bos", manifest, "prepend_bos");
    // Factors and constants are in no row's key. A library of means may be another one: it belongs to its model.
    json replacements = manifest.value("replacements", json::array());
    for (json& replacement : replacements) {
      if (replacement.contains("mean") && replacement["mean"].is_object()) replacement["mean"].erase("library");
    }
    file_.experiment.emplace_back("replacements", replacements.dump());
    const json readout = manifest.value("readout", json::object());
    for (const char* field : {"reduction", "target_mode", "edit_appended"}) add(field, readout, field);
    const json prompts = manifest.value("prompts", json::array());
    add("n_prompts", manifest, "n_prompts");
    for (size_t p = 0; p < prompts.size(); ++p) {
      for (const char* field : {"token_ids", "corrupted_token_ids", "targets", "contrasts"}) {
        add(absl::StrCat("prompts[", p, "].", field), prompts[p], field);
      }
    }
  }

  absl::StatusOr<ResultFile> Finish() {
    if (!file_.rows.empty()) return std::move(file_);
    return absl::InvalidArgumentError(
        absl::StrCat(file_.name, " holds no row; expected what `ablate scan --format jsonl` or `csv` writes"));
  }

 private:
  ResultFile file_;
};

std::string KeyText(const json& row, const char* name) {
  const auto found = row.find(name);
  if (found == row.end() || found->is_null()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

absl::Status AddJsonRow(int line, const json& row, const std::vector<std::string>& columns, Builder* builder) {
  Key key;
  for (size_t i = 0; i < kKeys.size(); ++i) key[i] = KeyText(row, kKeys[i]);
  std::vector<std::optional<double>> values;
  for (const std::string& column : columns) {
    const auto found = row.find(column);
    if (found == row.end()) return builder->Wrong(line, "there is no column `", column, "`");
    if (found->is_null()) {
      values.emplace_back();
    } else if (found->is_number() || found->is_boolean()) {
      values.emplace_back(found->is_boolean() ? static_cast<double>(found->get<bool>()) : found->get<double>());
    } else {
      return builder->Wrong(line, "column `", column, "` holds ", found->dump(), ", expected a number");
    }
  }
  return builder->AddRow(line, key, std::move(values));
}

absl::Status ParseJsonl(absl::string_view text, const std::vector<std::string>& columns, Builder* builder) {
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const absl::string_view content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (absl::StripAsciiWhitespace(content).empty()) continue;
    const json object = json::parse(content.begin(), content.end(), nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return builder->Wrong(line, "expected an object in JSON: is the file whole?");
    if (object.contains("prompt_index")) {
      if (auto status = AddJsonRow(line, object, columns, builder); !status.ok()) return status;
    } else if (object.contains("manifest") && object["manifest"].is_object()) {
      builder->AddExperiment(object["manifest"]);
    }
    // Anything else is no row: likelihoods, compensations, a summary.
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<double>> CsvValue(const std::string& text) {
  double value = 0;
  if (text.empty()) return std::nullopt;
  if (text == "true" || text == "false") return text == "true" ? 1.0 : 0.0;
  // `nan` would be equal to everything: no comparison with it is true.
  if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) {
    return absl::InvalidArgumentError(absl::StrCat("holds `", text, "`, expected a finite number"));
  }
  return value;
}

absl::Status ParseCsv(absl::string_view text, const std::vector<std::string>& columns, Builder* builder) {
  const auto records = ReadCsv(text);
  if (!records.ok()) return builder->Wrong(records.status().message());
  if (records->empty()) return absl::OkStatus();
  const auto& header = records->front().fields;
  const auto find = [&](const std::string& name) -> absl::StatusOr<size_t> {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found != header.end()) return static_cast<size_t>(found - header.begin());
    return builder->Wrong(records->front().line, "there is no column `", name, "`");
  };
  std::vector<size_t> at;
  for (const char* name : kKeys) {
    const auto column = find(name);
    if (!column.ok()) return column.status();
    at.push_back(*column);
  }
  for (const std::string& name : columns) {
    const auto column = find(name);
    if (!column.ok()) return column.status();
    at.push_back(*column);
  }
  for (size_t r = 1; r < records->size(); ++r) {
    const CsvRecord& record = (*records)[r];
    if (record.fields.size() != header.size()) {
      return builder->Wrong(record.line, "has ", record.fields.size(), " fields, expected ", header.size());
    }
    Key key;
    for (size_t i = 0; i < kKeys.size(); ++i) key[i] = record.fields[at[i]];
    std::vector<std::optional<double>> values;
    for (size_t i = kKeys.size(); i < at.size(); ++i) {
      auto value = CsvValue(record.fields[at[i]]);
      if (!value.ok()) return builder->Wrong(record.line, "column `", header[at[i]], "` ", value.status().message());
      values.push_back(*value);
    }
    if (auto status = builder->AddRow(record.line, key, std::move(values)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ResultFile> ParseResultFile(const std::string& name, absl::string_view text,
                                           const std::vector<std::string>& columns) {
  Builder builder(name);
  const absl::string_view begin = absl::StripLeadingAsciiWhitespace(text);
  const bool is_json = !begin.empty() && begin.front() == '{';
  auto status = is_json ? ParseJsonl(text, columns, &builder) : ParseCsv(text, columns, &builder);
  if (!status.ok()) return status;
  return builder.Finish();
}

absl::StatusOr<ResultFile> ReadResultFile(const std::string& path, const std::vector<std::string>& columns) {
  const auto text = ReadTextFile("ablate diff", path);
  if (!text.ok()) return text.status();
  return ParseResultFile(NameOfFile(path), *text, columns);
}

}  // namespace ablate::cli
