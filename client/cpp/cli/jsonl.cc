#include "client/cpp/cli/jsonl.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/columns.h"
#include "client/cpp/cli/number.h"

namespace ablate::cli {
namespace {

std::string JsonCell(const Cell& cell, ablation::v1::Precision precision) {
  switch (cell.index()) {
    case 1:
      return std::get<bool>(cell) ? "true" : "false";
    case 2:
      return absl::StrCat(std::get<int64_t>(cell));
    case 3:
      return RoundTrip(std::get<double>(cell), precision);
    case 4:
      return JsonString(std::get<std::string>(cell));
    default:
      return "null";
  }
}

absl::StatusOr<std::string> VariantJson(const ablation::v1::Variant& variant) {
  return ToJson(variant);
}

// The tokens as two flat lists, which data frames read more easily than a list of objects.
absl::StatusOr<std::string> PromptJson(const ablation::v1::ResolvedPrompt& prompt) {
  std::string ids, texts;
  for (const auto& token : prompt.tokens()) {
    absl::StrAppend(&ids, ids.empty() ? "" : ",", token.id());
    absl::StrAppend(&texts, texts.empty() ? "" : ",", JsonString(token.text()));
  }
  std::string json = absl::StrCat("{\"token_ids\":[", ids, "],\"token_texts\":[", texts, "]");
  const auto add_token = [&json](const char* name, const ablation::v1::Token& token) {
    const auto text = ToJson(token);
    if (text.ok()) absl::StrAppend(&json, ",\"", name, "\":", *text);
    return text.status();
  };
  absl::Status status;
  if (prompt.has_target()) status.Update(add_token("target", prompt.target()));
  if (prompt.has_contrast()) status.Update(add_token("contrast", prompt.contrast()));
  if (!status.ok()) return status;
  absl::StrAppend(
      &json, ",\"warnings\":[",
      absl::StrJoin(prompt.warnings(), ",", [](std::string* out, const auto& w) { out->append(JsonString(w)); }), "]}");
  return json;
}

}  // namespace

std::string JsonString(absl::string_view text) {
  return nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = pretty;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) return absl::InternalError(absl::StrCat("cannot write JSON: ", status.ToString()));
  return json;
}

absl::Status JsonlWriter::Begin(std::shared_ptr<const client::ScanManifest> manifest) {
  manifest_ = std::move(manifest);
  auto head = ToJson(manifest_->head);
  if (!head.ok()) return head.status();
  head->pop_back();  // its closing brace
  absl::Status status = output_->Write(absl::StrCat("{\"manifest\": ", *head, ","));
  status.Update(WriteList("variants", manifest_->variants, VariantJson));
  status.Update(output_->Write(","));
  status.Update(WriteList("prompts", manifest_->prompts, PromptJson));
  status.Update(output_->Write("}}\n"));
  return status;
}

// Entry by entry: the prompts of a large scan would not fit into one text.
template <typename Message>
absl::Status JsonlWriter::WriteList(absl::string_view name, const std::vector<Message>& entries,
                                    absl::StatusOr<std::string> (*to_json)(const Message&)) {
  absl::Status status = output_->Write(absl::StrCat("\"", name, "\":["));
  for (size_t i = 0; i < entries.size() && status.ok(); ++i) {
    const auto json = to_json(entries[i]);
    status = json.ok() ? output_->Write(absl::StrCat(i == 0 ? "" : ",", *json)) : json.status();
  }
  status.Update(output_->Write("]"));
  return status;
}

absl::Status JsonlWriter::Prompt(int, absl::Span<const Row> rows) {
  const auto precision = manifest_->head.runtime().precision();
  std::string line;
  for (const Row& row : rows) {
    line.assign(1, '{');
    for (const Column& column : Columns()) {
      absl::StrAppend(&line, "\"", column.name, "\": ", JsonCell(column.value(column, *manifest_, row), precision),
                      ", ");
    }
    AppendTopK(row, &line);
    line += "}\n";
    if (auto status = output_->Write(line); !status.ok()) return status;
  }
  return output_->Flush();
}

void JsonlWriter::AppendTopK(const Row& row, std::string* line) const {
  *line += "\"top_k\": ";
  if (top_k_ == 0) {
    *line += "null";
    return;
  }
  const auto& block = row.columns();
  for (int i = row.index * top_k_; i < (row.index + 1) * top_k_; ++i) {
    const std::string* text = row.block->TokenText(block.top_k_id(i));
    absl::StrAppend(line, i % top_k_ == 0 ? "[" : ", ", "{\"id\": ", block.top_k_id(i),
                    ", \"token\": ", text == nullptr ? "null" : JsonString(*text),
                    ", \"logprob\": ", RoundTrip(block.top_k_logprob(i), manifest_->head.runtime().precision()), "}");
  }
  *line += ']';
}

}  // namespace ablate::cli
