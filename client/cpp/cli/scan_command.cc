// `ablate scan`.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/csv.h"
#include "client/cpp/cli/interrupt.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/option_error.h"
#include "client/cpp/cli/progress.h"
#include "client/cpp/cli/row_order.h"
#include "client/cpp/cli/scan_options.h"
#include "client/cpp/cli/scan_request.h"
#include "client/cpp/cli/session.h"
#include "client/cpp/cli/table.h"

namespace ablate::cli {
namespace {

constexpr char kDescription[] =
    "Ablate attention heads - one at a time, in pairs, layers or sets - and show how the prediction of the next token "
    "moves.\n\n"
    "A head is ablated by replacing its output, before the projection c_proj, by default with zero. The target and "
    "the\n"
    "contrast are tokens, written with their leading space.";

// Where the results go, opened before the work, so that a path that cannot be written costs nothing.
struct Outputs {
  std::unique_ptr<Output> rows, likelihood, compensation, summary;

  // Those beside the rows first: where the rows are, all is.
  absl::Status Commit() const {
    for (const auto* output : {&likelihood, &compensation, &summary, &rows}) {
      if (*output == nullptr) continue;
      if (auto status = (*output)->Commit(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
};

absl::StatusOr<Outputs> OpenOutputs(const ScanOptions& options, const ablation::v1::AblateRequest& request) {
  Outputs outputs;
  const auto open = [](const std::string& path, std::unique_ptr<Output>* output) {
    auto opened = Output::ToFile(path);
    if (!opened.ok()) return opened.status();
    *output = *std::move(opened);
    return absl::OkStatus();
  };
  absl::Status status;
  if (options.output.empty()) {
    outputs.rows = Output::Standard();
  } else {
    status.Update(open(options.output, &outputs.rows));
  }
  if (options.format != "csv") return status.ok() ? absl::StatusOr<Outputs>(std::move(outputs)) : status;
  struct Sibling {
    bool is_wanted;
    const char *option, *name;
    std::unique_ptr<Output>* output;
  };
  const std::array<Sibling, 3> siblings = {
      Sibling{request.readout().likelihood(), "--likelihood", "likelihood", &outputs.likelihood},
      Sibling{request.readout().compensation(), "--compensation", "compensation", &outputs.compensation},
      Sibling{request.has_summary(), "--summary", "summary", &outputs.summary}};
  for (const Sibling& sibling : siblings) {
    if (!sibling.is_wanted || !status.ok()) continue;
    if (options.output.empty()) {
      return OptionError(sibling.option,
                         " with --format csv needs --output FILE, beside which its own file is put; or "
                         "use --format jsonl");
    }
    status = open(SiblingPath(options.output, sibling.name), sibling.output);
  }
  if (!status.ok()) return status;
  return outputs;
}

std::unique_ptr<ResultWriter> MakeWriter(const ScanOptions& options, const ScanRequest& request,
                                         const Outputs& outputs) {
  const int top_k = request.request.readout().top_k();
  if (options.format == "jsonl") return std::make_unique<JsonlWriter>(outputs.rows.get(), top_k, &request.data);
  if (options.format == "csv") {
    return std::make_unique<CsvWriter>(CsvOutputs{.rows = outputs.rows.get(),
                                                  .likelihood = outputs.likelihood.get(),
                                                  .compensation = outputs.compensation.get(),
                                                  .summary = outputs.summary.get()},
                                       top_k, &request.data);
  }
  const auto wish = ColorWish::FromEnvironment(options.no_color);
  TableOptions table = {.color = ChooseColor(wish, outputs.rows->IsTerminal()), .focus_layer = options.focus_layer};
  if (const int width = outputs.rows->TerminalWindow().width; width > 0) table.width = width;
  return std::make_unique<TableWriter>(outputs.rows.get(), table);
}

// The table shows warnings itself; data files must not hold them.
void PrintWarnings(const client::ScanManifest& manifest) {
  for (int p = 0; p < manifest.n_prompts(); ++p) {
    for (const std::string& warning : manifest.prompts[p].warnings()) {
      std::cerr << "ablate: warning: prompt " << p << ": " << warning << "\n";
    }
  }
}

// Streams one scan into `writer`.
absl::Status Stream(Session& session, const ScanRequest& request, const Output& rows, bool print_warnings,
                    bool show_progress, ResultWriter* writer) {
  ProgressBar progress(show_progress);
  std::unique_ptr<RowOrder> order;
  std::optional<Summary> summary;
  int64_t done = 0, total = 0;
  const RowExtras extras = {.likelihood = request.request.readout().likelihood(),
                            .compensation = request.request.readout().compensation()};
  client::ScanHandlers handlers;
  handlers.on_manifest = [&](client::ScanManifest whole) {
    auto manifest = std::make_shared<const client::ScanManifest>(std::move(whole));
    total = manifest->head.total_rows();
    progress.Update(done, total);
    if (print_warnings) PrintWarnings(*manifest);
    order = std::make_unique<RowOrder>(*manifest, extras,
                                       [&](const PromptResult& result) { return writer->Prompt(result); });
    return writer->Begin(std::move(manifest));
  };
  handlers.on_block = [&](ablation::v1::RowBlock columns) {
    const auto block = std::make_shared<const Block>(std::move(columns));
    done += block->columns().variant_size();
    progress.Update(done, total);
    // The table writes nothing before its end: a scan that nobody will read must not run that long.
    auto status = rows.CheckReader();
    if (status.ok()) status = writer->Arrived(*block);
    if (status.ok()) status = order->Take(block);
    return status;
  };
  handlers.on_likelihood = [&](ablation::v1::LikelihoodBlock block) {
    return order->Take(std::make_shared<const ablation::v1::LikelihoodBlock>(std::move(block)));
  };
  handlers.on_compensation = [&](ablation::v1::CompensationBlock block) {
    return order->Take(std::make_shared<const ablation::v1::CompensationBlock>(std::move(block)));
  };
  handlers.on_summary_head = [&](ablation::v1::SummaryHead head) {
    summary.emplace().head = std::move(head);
    return absl::OkStatus();
  };
  handlers.on_summary = [&](ablation::v1::SummaryBlock block) {
    summary->blocks.push_back(std::move(block));
    return absl::OkStatus();
  };
  const auto completion = session.client().Scan(request.request, handlers, session.call());
  if (!completion.ok()) return NameOrigin(completion.status(), request);
  if (summary) {
    if (auto status = writer->Statistics(*summary); !status.ok()) return status;
  }
  return writer->End(*completion);
}

// Token ids of another tokenizer would measure other tokens without a word.
absl::Status CheckTokenizer(const std::string& owner, Session& session) {
  if (owner.empty()) return absl::OkStatus();
  const auto served = session.client().Describe(session.call());
  if (!served.ok()) return served.status();
  const auto& model = served->model();
  if (owner == model.name() || owner == model.tokenizer_sha256()) return absl::OkStatus();
  return OptionError("--tokenizer-of ", owner, ": the server holds ", model.name(), ", whose tokenizer (SHA-256 ",
                     model.tokenizer_sha256(),
                     ") need not give tokens the same ids; give the answers as texts in columns "
                     "`target` and `contrast`, or, where the tokenizers are equal, say --tokenizer-of ",
                     model.name());
}

absl::Status PrintSpec(const ScanOptions& options, const ScanRequest& request) {
  if (!request.data.field_names.empty()) {
    std::cerr << "ablate: note: a request has no place for the columns "
              << absl::StrJoin(request.data.field_names, ", ") << "\n";
  }
  const auto json = RequestJson(request.request);
  if (!json.ok()) return json.status();
  auto output = options.output.empty() ? Output::Standard() : Output::ToFile(options.output);
  if (!output.ok()) return output.status();
  auto status = (*output)->Write(*json);
  status.Update((*output)->Commit());
  return status;
}

absl::Status RunScan(const ScanOptions& options) {
  if (auto status = CheckScanOptions(options); !status.ok()) return status;
  const auto request = MakeScanRequest(options.request);
  if (!request.ok()) return request.status();
  if (options.print_spec) return PrintSpec(options, *request);
  const auto outputs = OpenOutputs(options, request->request);
  if (!outputs.ok()) return outputs.status();

  InterruptScope interrupt;
  auto session = Session::Open(options.common, absl::InfiniteDuration(), interrupt.cancellation());
  if (!session.ok()) return session.status();
  if (auto status = CheckTokenizer(options.request.prompts.tokenizer_of, *session); !status.ok()) return status;
  const bool is_table = options.format == "table";
  const bool draws_live = is_table && outputs->rows->IsTerminal();
  const auto writer = MakeWriter(options, *request, *outputs);
  auto status =
      Stream(*session, *request, *outputs->rows, !is_table, isatty(STDERR_FILENO) == 1 && !draws_live, writer.get());
  if (!status.ok()) return status;
  return outputs->Commit();
}

}  // namespace

Command AddScanCommand(CLI::App* app) {
  auto options = std::make_shared<ScanOptions>();
  AddScanOptions(app->add_subcommand("scan", kDescription), options.get());
  return [options] { return RunScan(*options); };
}

}  // namespace ablate::cli
