#include "client/cpp/cli/scan_options.h"

#include <CLI/CLI.hpp>
#include <type_traits>

#include "absl/strings/str_join.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/option_error.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  ablate scan --prompt 'Berlin is the capital of' --target ' Germany' --contrast ' France'\n"
    "  ablate scan --local --model models/demo --prompt 'Rome is the capital of' --target ' Italy' --focus-layer 5\n"
    "  ablate scan --prompts facts.jsonl --layers 4-7 --format csv --output facts.csv\n"
    "  ablate scan --prompts ioi.csv --replace mean --means ID --sweep pairs --strongest 20 --summary --split\n"
    "  ablate scan --prompt 'The cat sat' --target ' on' --corrupted 'The dog sat' --replace resample --direction "
    "noising\n"
    "  ablate scan --prompt 'a b a' --target ' b' --sweep cumulative --print-spec > fall.json\n"
    "  ablate scan --spec fall.json\n"
    "  ablate scan --prompts ioi.csv --sweep pairs --explain\n"
    "A line of a prompts file: {\"prompt\": \"Rome is the capital of\", \"target\": \" Italy\", \"contrast\": \" "
    "France\"}\n\n";

constexpr char kSpec[] = "The request as a file";

std::string ExpectText(const std::string& value) {
  return value.empty() ? "got nothing, expected a value; without one, drop the option" : "";
}

// Adds options to one group, and those that make the request to `request_flags` when they are given.
class Group {
 public:
  Group(CLI::App* command, const char* name, std::vector<std::string>* request_flags)
      : command_(command), name_(name), request_flags_(request_flags) {}

  // Once.
  template <typename T>
  CLI::Option* Add(const char* flag, T* value, const char* help) const {
    auto* option = Note(flag, command_->add_option(flag, *value, Wrap(help, kHelpWidth)));
    // An unset variable in a script (--positions "$WHERE") must not read as if the option had not been given.
    if constexpr (std::is_same_v<T, std::string>) option->check(ExpectText);
    return option;
  }
  // Any number of times, one value each.
  template <typename T>
  CLI::Option* AddMany(const char* flag, std::vector<T>* values, const char* help) const {
    return Note(flag, command_->add_option(flag, *values, Wrap(help, kHelpWidth))->allow_extra_args(false));
  }
  CLI::Option* AddFlag(const char* flag, bool* value, const char* help) const {
    return Note(flag, command_->add_flag(flag, *value, Wrap(help, kHelpWidth)));
  }

 private:
  CLI::Option* Note(const char* flag, CLI::Option* option) const {
    option->group(name_);
    if (request_flags_ == nullptr) return option;
    auto* flags = request_flags_;
    return option->each([flags, flag](const std::string&) { flags->emplace_back(flag); });
  }

  CLI::App* const command_;
  const char* const name_;
  std::vector<std::string>* const request_flags_;
};

void AddPromptOptions(const Group& group, PromptOptions* options) {
  group.Add("--prompt", &options->prompt, "The prompt; what follows its last token is measured");
  group.AddMany("--target", &options->targets,
                "The token measured, with its leading space, e.g. ' Germany'; again: an answer set (see --reduction)");
  group.AddMany("--contrast", &options->contrasts, "A token to compare with, e.g. ' France'; again: a set");
  group.AddMany("--target-id", &options->target_ids, "A target by its id; again: a set");
  group.AddMany("--contrast-id", &options->contrast_ids, "A contrast by its id; again: a set");
  group.Add("--corrupted", &options->corrupted, "The pair's other prompt, of as many tokens, for --replace resample");
  group.Add(
      "--prompts", &options->prompts_file,
      "Many prompts, from a file (- is stdin): JSON lines or CSV with prompt (or clean), target, contrast, "
      "corrupted, template (its prompts are a cluster of --summary); EAP-IG's CSV (clean, corrupted, correct_idx, "
      "incorrect_idx; or label, a year); auto-circuit's JSON. Other columns come back with the rows");
  group.Add("--tokenizer-of", &options->tokenizer_of,
            "Whose token ids correct_idx and incorrect_idx are: the name of the server's model, or its tokenizer's "
            "SHA-256. Checked (but under --print-spec), since ids of another tokenizer mean other tokens");
  group.AddFlag("--prepend-bos", &options->prepend_bos, "Put <|endoftext|> in front of each prompt (default: no)");
}

void AddSweepOptions(const Group& group, SweepOptions* options) {
  group.Add(
      "--sweep", &options->sweep,
      "heads: each alone; layers: all heads of a layer together; pairs: each, and every two; groups: --groups, each "
      "together; all-but: everything but each of --groups; cumulative: more and more heads (default: heads)");
  group.Add("--layers", &options->layers, "Only these layers, 0-based, e.g. 0-11 or 0,3,5-7 (default: all)");
  group.Add("--heads", &options->heads, "Only these heads in each of them, likewise (default: all)");
  group.Add("--sites", &options->sites, "Only these sites, e.g. L5H3,L9H* (default: all)");
  group.AddMany("--groups,--group", &options->groups,
                "NAME=SITES, e.g. 'movers=L9H9+L9H6'; several joined with ; or given again");
  group.Add("--strongest", &options->strongest,
            "pairs: only among the K heads that a heads sweep, run first, finds strongest (default: all)");
  group.Add(
      "--order", &options->order,
      "cumulative: heads in this order, e.g. L9H9,L5H1 (default: the strongest first, by a heads sweep run first)");
  group.AddFlag("--backwards", &options->backwards, "cumulative: begin at the order's end, the weakest head first");
  group.Add("--steps", &options->steps, "cumulative: stop after so many heads (default: all)");
  group.Add("--random-sets", &options->random_sets,
            "all-but: for each group so many random ones of its size, for comparison, 0 to 1000 (default: 0)");
}

void AddReplacementOptions(const Group& group, ReplacementOptions* options) {
  group.AddMany(
      "--replace", &options->replace,
      "What a head's output becomes: zero, zero-keep-value-bias (TransformerLens' processed convention), mean, "
      "constant, scale, resample (the value in the pair's other run); again: each of them (default: zero)");
  group.AddMany("--means", &options->means, "mean: a mean library's id, of `ablate means`");
  group.AddMany("--value", &options->values, "constant: for every element of the output; again: one more replacement");
  group.Add("--value-file", &options->value_file,
            "constant: a vector of the head's size, as a JSON list or one number a line");
  group.AddMany("--factor", &options->factors, "scale: the factor; 0 is zero, 1 changes nothing; again: one more");
  group.AddMany("--direction", &options->directions,
                "resample: noising (the clean run, corrupted values put in) or denoising (the other way round)");
  group.Add("--positions", &options->positions,
            "Edit there only: all, last, 0,3,-1 (negative: from the end), 2:5 (as Python slices) (default: all)");
  group.AddFlag("--each-position", &options->each_position, "Sweep over these positions too: each edited alone");
}

void AddReadoutOptions(const Group& group, ReadoutOptions* options) {
  group.Add("--read", &options->read, "Measure there: last, all, 0,3,-1, 2:5 (default: last)");
  group
      .Add("--top-k", &options->top_k,
           "Also the N most probable tokens of each run (in the table, of the unedited one), 0 to 100 (default: 0)")
      ->check(CLI::Range(0, 100));
  group.Add(
      "--reduction", &options->reduction,
      "How an answer set makes one number: mean_logit, logsumexp, or prob_sum (the primary metric is then prob_diff) "
      "(default: mean_logit)");
  group.Add("--target-mode", &options->target_mode,
            "Targets of several tokens: single (an error), first_token, or sequence (the sum of their log-probs, each "
            "with those before it appended) (default: single)");
  group.AddFlag("--edit-appended", &options->edit_appended,
                "sequence: edits cover the appended tokens too (default: no)");
  group.AddFlag("--likelihood", &options->likelihood,
                "Also how likely the prompt itself is: NLL in nats a token. Runs every variant once more and reads all "
                "positions: about twice the cost");
  group.AddFlag("--effects", &options->effects,
                "Also direct, indirect and total effects on the logit difference; needs target and contrast");
  group.AddFlag("--compensation", &options->compensation,
                "Also what every later head, MLP and the final LayerNorm do about each edit");
  group.Add("--min-denominator", &options->min_denominator,
            "Least |clean - corrupted| for which `normalized` is given, in the metric's unit (default: 0.1)");
}

void AddSummaryOptions(const Group& group, ScanRequestOptions* request) {
  auto* options = &request->summary;
  group.AddFlag("--summary", &options->summary, "Also statistics over the prompts, for each variant");
  group.Add("--min-effect", &options->min_effect, "Test |mean| <= X rather than 0, in the metric's unit (default: 0)");
  group.Add("--sign-flips", &options->sign_flips, "Of the test, 10000 to 1000000 (default: 10000)");
  group.Add("--bootstrap", &options->bootstrap, "Resamples of the interval, 100 to 100000 (default: 2000)");
  group.AddFlag("--split", &options->split,
                "Where a heads sweep chooses the sites: choose on half of the clusters, estimate on the other");
  group.Add("--seed", &request->seed, "Of --random-sets and --summary; equal seeds, equal figures (default: 0)");
}

}  // namespace

void AddRequestFlags(CLI::App* command, RequestFlags* flags) {
  AddPromptOptions(Group(command, "Prompts", &flags->given), &flags->request.prompts);
  AddSweepOptions(Group(command, "What is ablated", &flags->given), &flags->request.sweep);
  AddReplacementOptions(Group(command, "What takes its place, and where", &flags->given), &flags->request.replacement);
  AddReadoutOptions(Group(command, "What is measured", &flags->given), &flags->request.readout);
  AddSummaryOptions(Group(command, "Statistics", &flags->given), &flags->request);
  Group(command, kSpec, nullptr)
      .Add("--spec", &flags->request.spec,
           "Take the whole request from FILE.json (- is stdin), an AblateRequest in protobuf JSON, instead of the "
           "above");
}

void AddOutputOptions(CLI::App* command, OutputOptions* options) {
  const Group group(command, "Output", nullptr);
  group
      .Add("--format", &options->format,
           "table, csv or jsonl (default: table); the Python package makes parquet of jsonl: "
           "python -m ablate parquet FILE.jsonl FILE.parquet")
      ->check(CLI::IsMember({"table", "csv", "jsonl"}));
  group.Add("--output", &options->path,
            "Write to this file, which appears only when it is whole. CSV: what is no row goes beside it, into "
            "FILE.summary.csv, FILE.likelihood.csv, FILE.compensation.csv");
  group.AddFlag("--no-color", &options->no_color, "No colours (also: NO_COLOR in the environment, or not a terminal)");
}

void AddScanOptions(CLI::App* command, ScanOptions* options) {
  AddRequestFlags(command, &options->flags);
  Group(command, kSpec, nullptr)
      .AddFlag("--print-spec", &options->print_spec, "Write the request as --spec reads it, and do not run it");
  AddOutputOptions(command, &options->output);
  const Group output(command, "Output", nullptr);
  output.AddFlag("--explain", &options->explain,
                 "Tell what the scan would take - runs, forward passes, cost and limit, FLOPs, time - and do not run "
                 "it: also where it costs too much. As a table, or one line of JSON (--format jsonl)");
  output.Add("--focus-layer", &options->output.focus_layer,
             "Table: also show this layer's heads side by side, for target and contrast");
  AddCommonOptions(command, &options->common, "none");
  command->footer(absl::StrCat(kFooter, kExitCodesHelp));
}

absl::Status CheckRequestFlags(const RequestFlags& flags) {
  if (flags.request.spec.empty() || flags.given.empty()) return absl::OkStatus();
  return OptionError("--spec holds the whole request: drop ", flags.given[0], ", or write it into ",
                     flags.request.spec);
}

absl::Status CheckScanOptions(const ScanOptions& options) {
  if (auto status = CheckRequestFlags(options.flags); !status.ok()) return status;
  if (options.explain && options.print_spec) {
    return OptionError("--print-spec asks no server, which --explain needs: give one of the two");
  }
  if (options.explain && options.output.is_csv()) {
    return OptionError("--explain with --format csv: there are no rows; use table or jsonl");
  }
  if (!options.output.focus_layer) return absl::OkStatus();
  if (options.explain) return OptionError("--focus-layer belongs to a scan, which --explain does not run");
  if (options.output.format != "table") return OptionError("--focus-layer belongs to --format table");
  if (!options.flags.request.prompts.prompts_file.empty()) return OptionError("--focus-layer needs a single --prompt");
  return absl::OkStatus();
}

}  // namespace ablate::cli
