#include "client/cpp/cli/csv.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cpp/cli/columns.h"
#include "client/cpp/cli/number.h"

namespace ablate::cli {
namespace {

std::string CsvCell(const Cell& cell, ablation::v1::Precision precision) {
  switch (cell.index()) {
    case 1:
      return std::get<bool>(cell) ? "true" : "false";
    case 2:
      return absl::StrCat(std::get<int64_t>(cell));
    case 3:
      return RoundTrip(std::get<double>(cell), precision);
    case 4:
      return CsvField(std::get<std::string>(cell));
    default:
      return "";
  }
}

}  // namespace

std::string CsvField(absl::string_view text) {
  // Some readers trim unquoted spaces, and most tokens begin with one.
  const bool spaced = !text.empty() && (text.front() == ' ' || text.back() == ' ');
  // An empty text is quoted too, to differ from an absent one.
  if (!text.empty() && !spaced && text.find_first_of(",\"\r\n") == absl::string_view::npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

absl::Status CsvWriter::Begin(std::shared_ptr<const client::ScanManifest> manifest) {
  manifest_ = std::move(manifest);
  std::string line;
  for (const Column& column : Columns()) absl::StrAppend(&line, line.empty() ? "" : ",", column.name);
  for (int i = 1; i <= top_k_; ++i) {
    absl::StrAppend(&line, ",top_k_", i, "_id,top_k_", i, "_token,top_k_", i, "_logprob");
  }
  return output_->Write(line + "\n");
}

absl::Status CsvWriter::Prompt(int, absl::Span<const Row> rows) {
  const auto precision = manifest_->head.runtime().precision();
  for (const Row& row : rows) {
    std::string line;
    absl::string_view separator;
    for (const Column& column : Columns()) {
      absl::StrAppend(&line, separator, CsvCell(column.value(column, *manifest_, row), precision));
      separator = ",";
    }
    const auto& block = row.columns();
    for (int i = row.index * top_k_; i < (row.index + 1) * top_k_; ++i) {
      const std::string* text = row.block->TokenText(block.top_k_id(i));
      absl::StrAppend(&line, ",", block.top_k_id(i), ",", text == nullptr ? "" : CsvField(*text), ",",
                      RoundTrip(block.top_k_logprob(i), precision));
    }
    if (auto status = output_->Write(line + "\n"); !status.ok()) return status;
  }
  return output_->Flush();
}

}  // namespace ablate::cli
