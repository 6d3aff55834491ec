// `ablate scan`.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/csv.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/interrupt.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/progress.h"
#include "client/cpp/cli/row_order.h"
#include "client/cpp/cli/scan_request.h"
#include "client/cpp/cli/session.h"
#include "client/cpp/cli/table.h"

namespace ablate::cli {
namespace {

struct ScanOptions {
  CommonOptions common;
  ScanRequestOptions request;
  std::string format = "table";
  std::string output;
  bool no_color = false;
  std::optional<int32_t> focus_layer;
};

constexpr char kDescription[] =
    "Ablate every attention head, one at a time, and show how the prediction of the next token moves.\n\n"
    "A head is ablated by setting its output, before the projection c_proj, to zero. The target and the contrast\n"
    "are single tokens, written with their leading space.";

constexpr char kFooter[] =
    "Examples:\n"
    "  ablate scan --prompt 'Berlin is the capital of' --target ' Germany' --contrast ' France'\n"
    "  ablate scan --local --model models/demo --prompt 'Rome is the capital of' --target ' Italy' --focus-layer 5\n"
    "  ablate scan --prompts facts.jsonl --layers 4-7 --format csv --output facts.csv\n"
    "A line of a prompts file: {\"prompt\": \"Rome is the capital of\", \"target\": \" Italy\", \"contrast\": \" "
    "France\"}\n\n";

std::unique_ptr<ResultWriter> MakeWriter(const ScanOptions& options, Output* output) {
  if (options.format == "jsonl") return std::make_unique<JsonlWriter>(output, options.request.top_k);
  if (options.format == "csv") return std::make_unique<CsvWriter>(output, options.request.top_k);
  const auto wish = ColorWish::FromEnvironment(options.no_color);
  return std::make_unique<TableWriter>(
      output, TableOptions{.color = ChooseColor(wish, output->IsTerminal()), .focus_layer = options.focus_layer});
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
absl::Status Stream(Session& session, const ScanRequest& request, bool print_warnings, bool show_progress,
                    ResultWriter* writer) {
  ProgressBar progress(show_progress);
  std::unique_ptr<RowOrder> order;
  int64_t done = 0, total = 0;
  client::ScanHandlers handlers;
  handlers.on_manifest = [&](client::ScanManifest whole) {
    auto manifest = std::make_shared<const client::ScanManifest>(std::move(whole));
    total = manifest->head.total_rows();
    progress.Update(done, total);
    if (print_warnings) PrintWarnings(*manifest);
    order = std::make_unique<RowOrder>(
        manifest->n_prompts(), manifest->n_variants(),
        [&](int prompt, absl::Span<const Row> rows) { return writer->Prompt(prompt, rows); });
    return writer->Begin(std::move(manifest));
  };
  handlers.on_block = [&](ablation::v1::RowBlock columns) {
    const auto block = std::make_shared<const Block>(std::move(columns));
    done += block->columns().variant_size();
    progress.Update(done, total);
    auto status = writer->Arrived(*block);
    if (status.ok()) status = order->Take(block);
    return status;
  };
  const auto completion = session.client().Scan(request.request, handlers, session.call());
  if (!completion.ok()) return NameOrigin(completion.status(), request);
  return writer->End(*completion);
}

absl::Status CheckOptions(const ScanOptions& options) {
  if (!options.focus_layer) return absl::OkStatus();
  if (options.format != "table") return absl::InvalidArgumentError("--focus-layer belongs to --format table");
  if (!options.request.prompts_file.empty()) return absl::InvalidArgumentError("--focus-layer needs a single --prompt");
  return absl::OkStatus();
}

absl::Status RunScan(const ScanOptions& options) {
  if (auto status = CheckOptions(options); !status.ok()) return status;
  const auto request = MakeScanRequest(options.request);
  if (!request.ok()) return request.status();
  // Before the work, so that a path that cannot be written costs nothing.
  absl::StatusOr<std::unique_ptr<Output>> output =
      options.output.empty() ? Output::Standard() : Output::ToFile(options.output);
  if (!output.ok()) return output.status();

  InterruptScope interrupt;
  auto session = Session::Open(options.common, absl::InfiniteDuration(), interrupt.cancellation());
  if (!session.ok()) return session.status();
  const bool is_table = options.format == "table";
  const bool draws_live = is_table && (*output)->IsTerminal();
  const auto writer = MakeWriter(options, output->get());
  auto status = Stream(*session, *request, !is_table, isatty(STDERR_FILENO) == 1 && !draws_live, writer.get());
  if (!status.ok()) return status;
  return (*output)->Commit();
}

}  // namespace

Command AddScanCommand(CLI::App* app) {
  auto options = std::make_shared<ScanOptions>();
  auto* command = app->add_subcommand("scan", kDescription);
  auto& request = options->request;
  command->add_option("--prompt", request.prompt, "The prompt; what follows its last token is measured");
  command->add_option("--target", request.target, "The token measured, e.g. ' Germany'");
  command->add_option("--contrast", request.contrast, "A token to compare with, e.g. ' France'");
  command->add_option("--target-id", request.target_id, "The target by its id");
  command->add_option("--contrast-id", request.contrast_id, "The contrast by its id");
  command->add_option("--prompts", request.prompts_file,
                      "Many prompts: a file with one JSON object a line (prompt, target, contrast); - is stdin");
  command->add_option("--layers", request.layers, "Layers to ablate, e.g. 0-11 or 0,3,5-7 (default: all)");
  command->add_option("--heads", request.heads, "Heads to ablate in each of them, likewise (default: all)");
  command
      ->add_option("--top-k", request.top_k,
                   "Also report the N most probable tokens of each run, 0 to 100 (default: 0)")
      ->check(CLI::Range(0, 100));
  command->add_flag("--prepend-bos", request.prepend_bos, "Put <|endoftext|> in front of each prompt");
  command->add_option("--format", options->format, "table, csv or jsonl (default: table)")
      ->check(CLI::IsMember({"table", "csv", "jsonl"}));
  command->add_option("--output", options->output, "Write to this file, which appears only when it is whole");
  command->add_option("--focus-layer", options->focus_layer,
                      "Table: also show this layer's heads side by side, for target and contrast");
  command->add_flag("--no-color", options->no_color,
                    "No colours (also: NO_COLOR in the environment, or not a terminal)");
  AddCommonOptions(command, &options->common, "none");
  command->footer(absl::StrCat(kFooter, kExitCodesHelp));
  return [options] { return RunScan(*options); };
}

}  // namespace ablate::cli
