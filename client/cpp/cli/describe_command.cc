// `ablate describe`.
#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/interrupt.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/number.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/session.h"

namespace ablate::cli {
namespace {

struct DescribeOptions {
  CommonOptions common;
  std::string format = "table";
};

constexpr char kFooter[] =
    "Examples:\n"
    "  ablate describe\n"
    "  ablate describe --server gpu-box:50051 --format json\n\n";

std::string TableOf(const ablation::v1::DescribeModelResponse& response) {
  const auto& model = response.model();
  const auto& runtime = response.runtime();
  std::string table;
  const auto add = [&](const char* name, const auto& value) {
    absl::StrAppend(&table, absl::StrFormat("%-18s", name), value, "\n");
  };
  add("model", model.name());
  add("layers x heads", absl::StrCat(model.n_layers(), " x ", model.n_heads()));
  add("d_model", absl::StrCat(model.d_model(), " (", model.d_head(), " a head, MLP ", model.d_mlp(), ")"));
  add("vocabulary", model.vocab_size());
  add("longest prompt", absl::StrCat(model.n_positions(), " tokens"));
  add("parameters", model.n_parameters());
  add("weights sha256", model.weights_sha256());
  add("tokenizer sha256", model.tokenizer_sha256());
  add("device", absl::StrCat(runtime.device(), " (", runtime.device_name(), ")"));
  add("precision", PrecisionName(runtime.precision()));
  add("threads", runtime.threads());
  add("packed tokens", absl::StrCat("at most ", runtime.max_packed_tokens(), " in a forward pass"));
  // An older server does not tell.
  if (const int64_t budget = runtime.memory_budget_bytes(); budget > 0) {
    add("memory budget", absl::StrCat(BytesText(budget), " for forward passes, beside the weights"));
  }
  add("request cost", absl::StrCat("at most ", runtime.max_request_cost(), " packed tokens x layers"));
  add("request tokens", absl::StrCat("at most ", runtime.max_request_tokens(), " in all prompts of a request"));
  add("batch invariant", runtime.batch_invariant() ? "yes" : "no");
  std::string floors;
  for (const auto& floor : runtime.numeric_floor()) {
    if (floor.column() != "delta_logit_diff") continue;
    absl::StrAppendFormat(&floors, "%s%.1e (%d tokens)", floors.empty() ? "delta_logit_diff " : ", ", floor.floor(),
                          floor.n_tokens());
  }
  add("numeric floor", floors.empty() ? "not measured (`ablated verify --model DIR` does)" : floors);
  add("engine", absl::StrCat("ablated ", runtime.engine_version(), ", torch ", runtime.torch_version()));
  return table;
}

absl::Status RunDescribe(const DescribeOptions& options) {
  InterruptScope interrupt;
  auto session = Session::Open(options.common, absl::Seconds(30), interrupt.cancellation());
  if (!session.ok()) return session.status();
  const auto response = session->client().Describe(session->call());
  if (!response.ok()) return response.status();
  absl::StatusOr<std::string> text = TableOf(*response);
  if (options.format == "json") text = ToJson(*response, /*pretty=*/true);
  if (!text.ok()) return text.status();
  const auto output = Output::Standard();
  auto status = output->Write(*text);
  status.Update(output->Commit());
  return status;
}

}  // namespace

Command AddDescribeCommand(CLI::App* app) {
  auto options = std::make_shared<DescribeOptions>();
  auto* command = app->add_subcommand("describe", "Show the model that the server holds and how it computes.");
  command->add_option("--format", options->format, "table or json (default: table)")
      ->check(CLI::IsMember({"table", "json"}));
  AddCommonOptions(command, &options->common, "30s");
  command->footer(absl::StrCat(kFooter, kExitCodesHelp));
  return [options] { return RunDescribe(*options); };
}

}  // namespace ablate::cli
