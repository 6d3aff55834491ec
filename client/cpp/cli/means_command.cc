// `ablate means`.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/interrupt.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/means_request.h"
#include "client/cpp/cli/means_text.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/progress.h"
#include "client/cpp/cli/prompts_file.h"
#include "client/cpp/cli/session.h"
#include "client/cpp/cli/text.h"
#include "client/cpp/errors.h"

namespace ablate::cli {
namespace {

namespace v1 = ::ablation::v1;

struct MeansOptions {
  CommonOptions common;
  std::string format = "table";
  MeansRequestOptions compute;
  std::vector<std::string> ids;
  std::string file;
};

constexpr char kDescription[] =
    "Make and move the means that `ablate scan --replace mean --means ID` puts in the place of heads' outputs.\n"
    "The server keeps them (ablated --means-dir); each belongs to one model.";

constexpr char kFooter[] =
    "Examples:\n"
    "  ablate means compute --prompts ioi.jsonl --group-by-template --name 'IOI, by template'\n"
    "  ID=$(ablate means compute --prompts text.jsonl --mode pooled --format id)\n"
    "  ablate scan --prompt 'Berlin is the capital of' --target ' Germany' --replace mean --means $ID\n"
    "  ablate means export $ID --output means.safetensors\n\n";

absl::Status Print(const std::string& text) {
  const auto output = Output::Standard();
  auto status = output->Write(text);
  status.Update(output->Commit());
  return status;
}

absl::Status PrintLibrary(const v1::MeanLibrary& library, const std::string& format) {
  if (format == "id") return Print(absl::StrCat(library.id(), "\n"));
  if (format == "table") return Print(DetailsOf(library));
  const auto json = ToJson(library, /*pretty=*/true);
  return json.ok() ? Print(*json) : json.status();
}

// Opens the command's session: where it is with a server of its own, the model is loaded, so that what the command
// needs beside it is looked at first.
using OpenSession = std::function<absl::StatusOr<Session>()>;

absl::Status RunCompute(const MeansOptions& options, const OpenSession& open) {
  const auto means = MakeMeansRequest(options.compute);
  if (!means.ok()) return means.status();
  auto session = open();
  if (!session.ok()) return session.status();
  absl::StatusOr<v1::MeanLibrary> library;
  {
    ProgressBar progress(isatty(STDERR_FILENO) == 1, "prompts");
    const int total = means->request.prompts_size();
    library = session->client().ComputeMeans(
        means->request, [&](int32_t done) { progress.Update(done, total); }, session->call());
  }
  if (!library.ok()) return NameMeansOrigin(library.status(), *means);
  return PrintLibrary(*library, options.format);
}

absl::Status RunList(const MeansOptions& options, const OpenSession& open) {
  auto session = open();
  if (!session.ok()) return session.status();
  const auto libraries = session->client().ListMeanLibraries(session->call());
  if (!libraries.ok()) return libraries.status();
  if (options.format == "table") return Print(TableOf(*libraries));
  std::string text;
  for (const v1::MeanLibrary& library : *libraries) {
    const auto json = ToJson(library);
    if (!json.ok()) return json.status();
    absl::StrAppend(&text, options.format == "id" ? library.id() : *json, "\n");
  }
  return Print(text);
}

absl::Status RunDelete(const MeansOptions& options, const OpenSession& open) {
  auto session = open();
  if (!session.ok()) return session.status();
  for (const std::string& id : options.ids) {
    if (auto status = session->client().DeleteMeanLibrary(id, session->call()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RunExport(const MeansOptions& options, const OpenSession& open) {
  const std::string path = options.file.empty() ? absl::StrCat(options.ids.front(), ".safetensors") : options.file;
  auto output = path == "-" ? absl::StatusOr<std::unique_ptr<Output>>(Output::Standard()) : Output::ToFile(path);
  if (!output.ok()) return output.status();
  if (path == "-" && (*output)->IsTerminal()) {
    return absl::InvalidArgumentError("--output -: the file is not text; name a file, or pipe it on");
  }
  auto session = open();
  if (!session.ok()) return session.status();
  const auto status = session->client().ExportMeanLibrary(
      options.ids.front(), [&](absl::string_view data) { return (*output)->Write(data); }, session->call());
  return status.ok() ? (*output)->Commit() : status;
}

absl::Status RunImport(const MeansOptions& options, const OpenSession& open) {
  const bool is_stdin = options.file == "-";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(is_stdin ? stdin : std::fopen(options.file.c_str(), "rbe"),
                                                   is_stdin ? [](FILE*) { return 0; } : std::fclose);
  const auto cannot = [&options] {
    return absl::InvalidArgumentError(
        absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", NameOfFile(options.file))).message());
  };
  if (file == nullptr) return cannot();
  const auto next = [&]() -> absl::StatusOr<std::string> {
    std::string piece(size_t{1} << 19, '\0');
    piece.resize(std::fread(piece.data(), 1, piece.size(), file.get()));
    if (std::ferror(file.get()) != 0) return cannot();
    return piece;
  };
  auto session = open();
  if (!session.ok()) return session.status();
  const auto library = session->client().ImportMeanLibrary(next, session->call());
  if (library.ok()) return PrintLibrary(*library, options.format);
  if (client::FieldViolations(library.status()).empty()) return library.status();
  absl::Status named(library.status().code(),
                     absl::StrCat(library.status().message(), " (", NameOfFile(options.file), ")"));
  library.status().ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { named.SetPayload(url, payload); });
  return named;
}

using Run = absl::Status (*)(const MeansOptions&, const OpenSession&);

// One of `ablate means`'s own commands.
struct Subcommand {
  CLI::App* app;
  std::shared_ptr<MeansOptions> options;
  Run run;
};

Subcommand AddSubcommand(CLI::App* means, const char* name, const char* description, Run run) {
  auto options = std::make_shared<MeansOptions>();
  CLI::App* app = means->add_subcommand(name, description);
  app->footer(absl::StrCat(kFooter, kExitCodesHelp));
  return {app, std::move(options), run};
}

void AddFormat(const Subcommand& command) {
  command.app->add_option("--format", command.options->format, "table, json or id (default: table)")
      ->check(CLI::IsMember({"table", "json", "id"}));
}

void AddComputeOptions(const Subcommand& command) {
  MeansRequestOptions& compute = command.options->compute;
  command.app
      ->add_option("--prompts", compute.prompts_file,
                   "Data set, in any layout that `ablate scan --prompts` takes; `-` is "
                   "the standard input")
      ->required();
  command.app
      ->add_option("--mode", compute.mode,
                   Wrap("positionwise: a mean for each position, for prompts of one shape; pooled: one over all "
                        "positions, each token with equal weight (default: positionwise)",
                        kHelpWidth))
      ->check(CLI::IsMember({"positionwise", "pooled"}));
  command.app
      ->add_option("--source", compute.source, "Which prompts of a pair: clean, corrupted or both (default: clean)")
      ->check(CLI::IsMember({"clean", "corrupted", "both"}));
  command.app->add_flag("--group-by-template", compute.group_by_template,
                        "Means of their own for each `template` of the data set");
  command.app->add_flag("--prepend-bos", compute.prepend_bos,
                        "Put BOS in front of every prompt, as the scans that use the means must too");
  command.app->add_flag("--include-first-position", compute.include_first_position,
                        "With --mode pooled: position 0 counts too, whose activations are unlike all others'");
  command.app
      ->add_option("--min-count", compute.min_count, "Refuse to use a mean over fewer tokens than this (default: 1)")
      ->check(CLI::Range(1, 1 << 30));
  command.app->add_option("--name", compute.name, "What people call it (default: none)");
}

}  // namespace

Command AddMeansCommand(CLI::App* app) {
  CLI::App* means = app->add_subcommand("means", kDescription);
  means->require_subcommand(1);
  means->footer(absl::StrCat(kFooter, kExitCodesHelp));
  const std::vector<Subcommand> commands = {
      AddSubcommand(means, "compute", "Compute the means of every head over a data set, and store them.", RunCompute),
      AddSubcommand(means, "list", "List the libraries of the server's model.", RunList),
      AddSubcommand(means, "export", "Write a library to a safetensors file.", RunExport),
      AddSubcommand(means, "import", "Store a file that `export` wrote.", RunImport),
      AddSubcommand(means, "delete", "Delete libraries.", RunDelete)};
  AddComputeOptions(commands[0]);
  for (const int with_format : {0, 1, 3}) AddFormat(commands[with_format]);
  for (const int with_id : {2, 4}) {
    commands[with_id]
        .app->add_option("id", commands[with_id].options->ids, "Which library")
        ->required()
        ->expected(1, with_id == 4 ? 1000 : 1);
  }
  commands[2].app->add_option("--output", commands[2].options->file,
                              "File to write (default: ID.safetensors; `-`: the "
                              "standard output)");
  commands[3].app->add_option("file", commands[3].options->file, "The file; `-` is the standard input")->required();
  for (const Subcommand& command : commands) {
    AddCommonOptions(command.app, &command.options->common, command.run == RunList ? "30s" : "none");
  }
  return [commands]() -> absl::Status {
    for (const Subcommand& command : commands) {
      if (!command.app->parsed()) continue;
      std::optional<InterruptScope> interrupt;
      const absl::Duration timeout = command.run == RunList ? absl::Seconds(30) : absl::InfiniteDuration();
      return command.run(*command.options, [&] {
        interrupt.emplace();
        return Session::Open(command.options->common, timeout, interrupt->cancellation());
      });
    }
    return absl::InternalError("no command of `ablate means` was given");
  };
}

}  // namespace ablate::cli
