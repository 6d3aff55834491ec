// `ablate diff`.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/common_options.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/job_text.h"
#include "client/cpp/cli/result_diff.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

struct DiffOptions {
  std::vector<std::string> files;
  std::vector<std::string> columns;
  double atol = 0;
  int64_t limit = 20;
};

constexpr char kDescription[] =
    "Compare the rows of two files that `ablate scan` or `ablate job results` wrote, as JSON lines or CSV.\n"
    "Rows are matched by prompt, replacement, variant, edit position and position, whatever their order.";

constexpr char kFooter[] =
    "Exits with 0 where nothing moved by more than --atol, 1 where something did, 2 where a file cannot be read or "
    "the\n"
    "files hold different experiments: rows that one of them has not, or, where both are JSON lines, other prompts,\n"
    "answers, replacements or edit positions.\n"
    "Examples:\n"
    "  ablate diff before.jsonl after.jsonl --atol 1e-4\n"
    "  ablate scan --prompts facts.jsonl --format csv | ablate diff facts.csv - --column kl_divergence\n\n";

std::string Figure(const std::optional<double>& value) {
  return value ? absl::StrFormat("%.6g", *value) : "none";
}

std::string Distance(double distance) {
  return std::isinf(distance) ? "from or to none" : absl::StrFormat("%.3g", distance);
}

std::string Table(const ResultDiff& diff, const DiffOptions& options) {
  const size_t shown = options.limit == 0 ? diff.moves.size() : std::min<size_t>(diff.moves.size(), options.limit);
  int width = 0;
  for (size_t i = 0; i < shown; ++i) width = std::max(width, VisibleWidth(diff.moves[i].label));
  std::string table;
  for (size_t i = 0; i < shown; ++i) {
    const Move& move = diff.moves[i];
    absl::StrAppend(&table, PadRight(move.label, width));
    if (options.columns.size() > 1) absl::StrAppend(&table, "  ", options.columns[move.column]);
    absl::StrAppend(&table, "  ", PadLeft(Figure(move.a), 12), " -> ", PadLeft(Figure(move.b), 12), "  by ",
                    Distance(move.distance), "\n");
  }
  if (shown < diff.moves.size()) absl::StrAppend(&table, "and ", diff.moves.size() - shown, " more (--limit 0)\n");
  return table;
}

absl::Status RunDiff(DiffOptions options) {
  if (options.columns.empty()) options.columns = {"delta_logit_diff"};
  if (options.files[0] == "-" && options.files[1] == "-") {
    return absl::InvalidArgumentError("the standard input can be one of the files only");
  }
  std::vector<ResultFile> files;
  for (const std::string& path : options.files) {
    auto file = ReadResultFile(path, options.columns);
    if (!file.ok()) return file.status();
    files.push_back(*std::move(file));
  }
  const auto diff = DiffResults(files[0], files[1], options.columns, options.atol);
  if (!diff.ok()) return diff.status();
  const std::string what = absl::StrJoin(options.columns, ", ");
  if (diff->moves.empty()) {
    return PrintText(absl::StrFormat("%s: none of %d rows moved by more than %g; the farthest by %.3g\n", what,
                                     diff->n_rows, options.atol, diff->largest));
  }
  if (auto status = PrintText(Table(*diff, options)); !status.ok()) return status;
  return WithExitCode(
      absl::AbortedError(absl::StrFormat("%s: %d of %d rows moved by more than %g; the farthest is %s, by %s", what,
                                         diff->n_moved_rows, diff->n_rows, options.atol, diff->moves[0].label,
                                         Distance(diff->moves[0].distance))),
      kExitFailed);
}

}  // namespace

Command AddDiffCommand(CLI::App* app) {
  auto options = std::make_shared<DiffOptions>();
  auto* command = app->add_subcommand("diff", kDescription);
  command->add_option("files", options->files, "The two files; one may be -, the standard input")
      ->required()
      ->expected(2);
  command->add_option("--atol", options->atol, "How far a figure may move (default: 0)")->check(CLI::Range(0.0, 1e300));
  command
      ->add_option("--column", options->columns,
                   Wrap("Compare this column, by its name in the file; again: this one too (default: delta_logit_diff)",
                        kHelpWidth))
      ->allow_extra_args(false);
  command->add_option("--limit", options->limit, "Show so many at most; 0: all (default: 20)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  command->footer(absl::StrCat(kFooter, kExitCodesHelp));
  return [options] { return RunDiff(*options); };
}

}  // namespace ablate::cli
