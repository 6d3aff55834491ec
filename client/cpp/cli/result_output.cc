#include "client/cpp/cli/result_output.h"

#include <utility>

#include "client/cpp/cli/csv.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/style.h"
#include "client/cpp/cli/table.h"

namespace ablate::cli {
namespace {

absl::Status OpenFile(const std::string& path, std::unique_ptr<Output>* output) {
  auto opened = Output::ToFile(path);
  if (!opened.ok()) return opened.status();
  *output = *std::move(opened);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ResultOutputs> ResultOutputs::Open(const OutputOptions& options) {
  ResultOutputs outputs;
  if (options.path.empty()) {
    outputs.rows = Output::Standard();
  } else if (auto status = OpenFile(options.path, &outputs.rows); !status.ok()) {
    return status;
  }
  return outputs;
}

absl::Status ResultOutputs::OpenLikelihood(const OutputOptions& options) {
  return OpenFile(SiblingPath(options.path, "likelihood"), &likelihood);
}

absl::Status ResultOutputs::OpenCompensation(const OutputOptions& options) {
  return OpenFile(SiblingPath(options.path, "compensation"), &compensation);
}

absl::Status ResultOutputs::OpenSummary(const OutputOptions& options) {
  return OpenFile(SiblingPath(options.path, "summary"), &summary);
}

absl::Status ResultOutputs::Commit() const {
  for (const auto* output : {&likelihood, &compensation, &summary, &rows}) {
    if (*output == nullptr) continue;
    if (auto status = (*output)->Commit(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::unique_ptr<ResultWriter> MakeResultWriter(const OutputOptions& options, int top_k, const ResultOutputs& outputs,
                                               const DataSet* data) {
  if (options.format == "jsonl") return std::make_unique<JsonlWriter>(outputs.rows.get(), top_k, data);
  if (options.is_csv()) {
    return std::make_unique<CsvWriter>(CsvOutputs{.rows = outputs.rows.get(),
                                                  .likelihood = outputs.likelihood.get(),
                                                  .compensation = outputs.compensation.get(),
                                                  .summary = outputs.summary.get()},
                                       top_k, data);
  }
  const auto wish = ColorWish::FromEnvironment(options.no_color);
  TableOptions table = {.color = ChooseColor(wish, outputs.rows->IsTerminal()), .focus_layer = options.focus_layer};
  if (const int width = outputs.rows->TerminalWindow().width; width > 0) table.width = width;
  return std::make_unique<TableWriter>(outputs.rows.get(), table);
}

}  // namespace ablate::cli
