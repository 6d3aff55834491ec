// `ablate scan`.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/explain_text.h"
#include "client/cpp/cli/interrupt.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/option_error.h"
#include "client/cpp/cli/result_output.h"
#include "client/cpp/cli/result_stream.h"
#include "client/cpp/cli/scan_options.h"
#include "client/cpp/cli/scan_request.h"
#include "client/cpp/cli/session.h"
#include "client/cpp/cli/tokenizer_check.h"

namespace ablate::cli {
namespace {

constexpr char kDescription[] =
    "Ablate attention heads - one at a time, in pairs, layers or sets - and show how the prediction of the next token "
    "moves.\n\n"
    "A head is ablated by replacing its output, before the projection c_proj, by default with zero. The target and "
    "the\n"
    "contrast are tokens, written with their leading space.";

// Opened before the work, so that a path that cannot be written costs nothing.
absl::StatusOr<ResultOutputs> OpenOutputs(const OutputOptions& options, const ablation::v1::AblateRequest& request) {
  auto outputs = ResultOutputs::Open(options);
  if (!outputs.ok() || !options.is_csv()) return outputs;
  struct Sibling {
    bool is_wanted;
    const char* option;
    absl::Status (ResultOutputs::*open)(const OutputOptions&);
  };
  const std::array<Sibling, 3> siblings = {
      Sibling{request.readout().likelihood(), "--likelihood", &ResultOutputs::OpenLikelihood},
      Sibling{request.readout().compensation(), "--compensation", &ResultOutputs::OpenCompensation},
      Sibling{request.has_summary(), "--summary", &ResultOutputs::OpenSummary}};
  for (const Sibling& sibling : siblings) {
    if (!sibling.is_wanted) continue;
    if (options.path.empty()) {
      return OptionError(sibling.option,
                         " with --format csv needs --output FILE, beside which its own file is put; or "
                         "use --format jsonl");
    }
    if (auto status = ((*outputs).*sibling.open)(options); !status.ok()) return status;
  }
  return outputs;
}

absl::Status PrintSpec(const ScanOptions& options, const ScanRequest& request) {
  if (!request.data.field_names.empty()) {
    std::cerr << "ablate: note: a request has no place for the columns "
              << absl::StrJoin(request.data.field_names, ", ") << "\n";
  }
  if (const std::string& owner = options.flags.request.prompts.tokenizer_of; !owner.empty()) {
    std::cerr << "ablate: note: the token ids are written unchecked: whether the server's tokenizer is that of "
              << owner << " was not asked\n";
  }
  const auto json = RequestJson(request.request);
  if (!json.ok()) return json.status();
  auto output = options.output.path.empty() ? Output::Standard() : Output::ToFile(options.output.path);
  if (!output.ok()) return output.status();
  auto status = (*output)->Write(*json);
  status.Update((*output)->Commit());
  return status;
}

absl::Status Explain(const ScanOptions& options, const ScanRequest& request, const ResultOutputs& outputs,
                     Session& session) {
  const auto plan = session.client().ExplainPlan(request.request, session.call());
  if (!plan.ok()) return NameOrigin(plan.status(), request);
  std::string text;
  if (options.output.is_table()) {
    text = ExplanationText(*plan);
  } else {
    const auto json = ToJson(*plan);
    if (!json.ok()) return json.status();
    text = absl::StrCat("{\"plan\": ", *json, "}\n");
  }
  auto status = outputs.rows->Write(text);
  status.Update(outputs.Commit());
  return status;
}

absl::Status RunScan(const ScanOptions& options) {
  if (auto status = CheckScanOptions(options); !status.ok()) return status;
  const auto request = MakeScanRequest(options.flags.request);
  if (!request.ok()) return request.status();
  if (options.print_spec) return PrintSpec(options, *request);
  const auto outputs = OpenOutputs(options.output, request->request);
  if (!outputs.ok()) return outputs.status();

  InterruptScope interrupt;
  auto session = Session::Open(options.common, absl::InfiniteDuration(), interrupt.cancellation());
  if (!session.ok()) return session.status();
  if (auto status = CheckTokenizer(options.flags.request.prompts.tokenizer_of, *session); !status.ok()) return status;
  if (options.explain) return Explain(options, *request, *outputs, *session);
  const bool is_table = options.output.is_table();
  const bool draws_live = is_table && outputs->rows->IsTerminal();
  ResultStream stream({.make_writer =
                           [&](const client::ScanManifest&) {
                             return MakeResultWriter(options.output, request->request.readout().top_k(), *outputs,
                                                     &request->data);
                           },
                       .rows = outputs->rows.get(),
                       .print_warnings = !is_table,
                       .show_progress = isatty(STDERR_FILENO) == 1 && !draws_live});
  const auto completion = session->client().Scan(request->request, stream.Handlers(), session->call());
  if (!completion.ok()) return NameOrigin(completion.status(), *request);
  if (const auto ended = stream.End(*completion); !ended.ok()) return ended.status();
  return outputs->Commit();
}

}  // namespace

Command AddScanCommand(CLI::App* app) {
  auto options = std::make_shared<ScanOptions>();
  AddScanOptions(app->add_subcommand("scan", kDescription), options.get());
  return [options] { return RunScan(*options); };
}

}  // namespace ablate::cli
