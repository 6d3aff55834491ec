#include "client/cpp/cli/csv.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/cell_text.h"
#include "client/cpp/cli/columns.h"
#include "client/cpp/cli/extra_columns.h"
#include "client/cpp/cli/number.h"

namespace ablate::cli {
namespace {

// Sums and means are no float32s, whatever the forward pass was.
constexpr auto kExact = ablation::v1::PRECISION_FLOAT64;

std::string Line(const NamedCells& cells, ablation::v1::Precision precision) {
  return absl::StrJoin(
      cells, ",", [precision](std::string* out, const auto& cell) { out->append(CsvCell(cell.second, precision)); });
}

std::string FieldCell(const std::string& json) {
  if (json.empty()) return "";
  const auto value = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (value.is_null()) return "";
  return CsvField(value.is_string() ? value.get<std::string>() : json);
}

}  // namespace

std::string SiblingPath(const std::string& path, absl::string_view what) {
  constexpr absl::string_view kExtension = ".csv";
  if (!absl::EndsWith(path, kExtension)) return absl::StrCat(path, ".", what);
  return absl::StrCat(path.substr(0, path.size() - kExtension.size()), ".", what, kExtension);
}

absl::Status CsvWriter::WriteHeaders() {
  std::string line =
      absl::StrJoin(Columns(), ",", [](std::string* out, const Column& column) { absl::StrAppend(out, column.name); });
  for (int i = 1; i <= top_k_; ++i) {
    absl::StrAppend(&line, ",top_k_", i, "_id,top_k_", i, "_token,top_k_", i, "_logprob");
  }
  for (const std::string& name : data_->field_names) absl::StrAppend(&line, ",", CsvField("fields." + name));
  auto status = outputs_.rows->Write(line + "\n");
  if (outputs_.likelihood != nullptr) {
    status.Update(outputs_.likelihood->Write(
        "prompt_index,replacement,variant,variant_name,edit_position,mean_nll,perplexity,delta_mean_nll,"
        "token_logprob\n"));
  }
  if (outputs_.compensation != nullptr) {
    status.Update(outputs_.compensation->Write(
        "prompt_index,replacement,variant,variant_name,edit_position,position,part,change\n"));
  }
  if (outputs_.summary != nullptr) {
    const auto name = [](std::string* out, const auto& cell) { absl::StrAppend(out, cell.first); };
    status.Update(outputs_.summary->Write(absl::StrCat(absl::StrJoin(SummaryColumns(*legend_), ",", name), "\n")));
  }
  return status;
}

absl::Status CsvWriter::Begin(std::shared_ptr<const client::ScanManifest> manifest) {
  precision_ = manifest->head.runtime().precision();
  legend_ = std::make_unique<const Legend>(std::move(manifest));
  return WriteHeaders();
}

std::string CsvWriter::Fields(int prompt) const {
  std::string text;
  for (size_t i = 0; i < data_->field_names.size(); ++i) {
    const bool is_there = static_cast<size_t>(prompt) < data_->fields.size() && i < data_->fields[prompt].size();
    absl::StrAppend(&text, ",", is_there ? FieldCell(data_->fields[prompt][i]) : "");
  }
  return text;
}

absl::Status CsvWriter::Prompt(const PromptResult& result) {
  const std::string fields = Fields(result.prompt);
  for (const Row& row : result.rows) {
    std::string line;
    absl::string_view separator;
    for (const Column& column : Columns()) {
      absl::StrAppend(&line, separator, CsvCell(column.value(column, *legend_, row), precision_));
      separator = ",";
    }
    const auto& block = row.columns();
    for (int i = row.index * top_k_; i < (row.index + 1) * top_k_; ++i) {
      const std::string* text = row.block->TokenText(block.top_k_id(i));
      absl::StrAppend(&line, ",", block.top_k_id(i), ",", text == nullptr ? "" : CsvField(*text), ",",
                      RoundTrip(block.top_k_logprob(i), precision_));
    }
    if (auto status = outputs_.rows->Write(absl::StrCat(line, fields, "\n")); !status.ok()) return status;
  }
  absl::Status status;
  for (const LikelihoodEntry& entry : result.likelihoods) status.Update(WriteLikelihood(entry));
  for (const CompensationEntry& entry : result.compensations) status.Update(WriteCompensation(entry));
  status.Update(outputs_.rows->Flush());
  return status;
}

absl::Status CsvWriter::WriteLikelihood(const LikelihoodEntry& entry) {
  if (outputs_.likelihood == nullptr) return absl::OkStatus();
  const auto number = [this](std::string* out, double value) { out->append(RoundTrip(value, precision_)); };
  return outputs_.likelihood->Write(
      absl::StrCat(Line(LikelihoodCells(*legend_, entry), kExact), ",",
                   CsvField(absl::StrCat("[", absl::StrJoin(TokenLogprobs(entry), ", ", number), "]")), "\n"));
}

absl::Status CsvWriter::WriteCompensation(const CompensationEntry& entry) {
  if (outputs_.compensation == nullptr) return absl::OkStatus();
  const std::string key = Line(CompensationKey(*legend_, entry), precision_);
  const int n_layers = legend_->manifest().head.model().n_layers();
  const int n_heads = legend_->manifest().head.model().n_heads();
  std::string lines;
  const auto add = [&](absl::string_view part, double change) {
    absl::StrAppend(&lines, key, ",", part, ",", RoundTrip(change, precision_), "\n");
  };
  const auto heads = CompensationHeads(entry, int64_t{n_layers} * n_heads);
  for (size_t i = 0; i < heads.size(); ++i) add(absl::StrCat("L", i / n_heads, "H", i % n_heads), heads[i]);
  const auto mlps = CompensationMlps(entry, n_layers);
  for (size_t layer = 0; layer < mlps.size(); ++layer) add(absl::StrCat("L", layer, "MLP"), mlps[layer]);
  add("layer_norm", entry.block->layer_norm(entry.index));
  return outputs_.compensation->Write(lines);
}

absl::Status CsvWriter::Statistics(const Summary& summary) {
  if (outputs_.summary == nullptr) return absl::OkStatus();
  absl::Status status;
  for (const auto& block : summary.blocks) {
    for (int i = 0; i < block.variant_size() && status.ok(); ++i) {
      status = outputs_.summary->Write(absl::StrCat(Line(SummaryCells(*legend_, block, i), kExact), "\n"));
    }
  }
  return status;
}

}  // namespace ablate::cli
