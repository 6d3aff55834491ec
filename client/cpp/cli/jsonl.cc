#include "client/cpp/cli/jsonl.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
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

absl::Status JsonlWriter::Begin(const ablation::v1::Manifest& manifest) {
  manifest_ = manifest;
  const auto json = ToJson(manifest);
  if (!json.ok()) return json.status();
  return output_->Write(absl::StrCat("{\"manifest\": ", *json, "}\n"));
}

absl::Status JsonlWriter::Prompt(int, absl::Span<const Row> rows) {
  const auto precision = manifest_.runtime().precision();
  std::string line;
  for (const Row& row : rows) {
    line.assign(1, '{');
    for (const Column& column : Columns()) {
      absl::StrAppend(&line, "\"", column.name, "\": ", JsonCell(column.value(column, manifest_, row), precision),
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
                    ", \"logprob\": ", RoundTrip(block.top_k_logprob(i), manifest_.runtime().precision()), "}");
  }
  *line += ']';
}

}  // namespace ablate::cli
