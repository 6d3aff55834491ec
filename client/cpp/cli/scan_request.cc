#include "client/cpp/cli/scan_request.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <utility>

#include "client/cpp/cli/option_error.h"
#include "client/cpp/cli/prompts_file.h"

namespace ablate::cli {
namespace {

using TokenRefs = google::protobuf::RepeatedPtrField<ablation::v1::TokenRef>;

bool NamesAnswers(const PromptOptions& options) {
  return !options.targets.empty() || !options.contrasts.empty() || !options.target_ids.empty() ||
         !options.contrast_ids.empty();
}

absl::Status SetAnswers(const char* option, const std::vector<std::string>& texts, const std::vector<int32_t>& ids,
                        TokenRefs* tokens) {
  for (const std::string& text : texts) tokens->Add()->set_text(text);
  for (const int32_t id : ids) {
    if (id < 0) return OptionError(option, "-id ", id, ": expected a token id, 0 or more");
    tokens->Add()->set_id(id);
  }
  return absl::OkStatus();
}

absl::Status AddPrompt(const PromptOptions& options, ScanRequest* result) {
  if (!options.tokenizer_of.empty()) {
    return OptionError("--tokenizer-of belongs to a --prompts file with the columns correct_idx and incorrect_idx");
  }
  auto* prompt = result->request.add_prompts();
  prompt->set_text(*options.prompt);
  if (options.corrupted) prompt->set_corrupted_text(*options.corrupted);
  auto status = SetAnswers("--target", options.targets, options.target_ids, prompt->mutable_targets());
  status.Update(SetAnswers("--contrast", options.contrasts, options.contrast_ids, prompt->mutable_contrasts()));
  return status;
}

absl::Status AddPromptsFile(const PromptOptions& options, ScanRequest* result) {
  if (NamesAnswers(options)) {
    return OptionError(
        "--target and --contrast belong to --prompt; in a --prompts file each prompt has its own `target` and "
        "`contrast`");
  }
  if (options.corrupted) {
    return OptionError("--corrupted belongs to --prompt; in a --prompts file each prompt has its own `corrupted`");
  }
  auto data = ReadPrompts(options.prompts_file);
  if (!data.ok()) return data.status();
  if (data->has_foreign_ids && options.tokenizer_of.empty()) {
    return OptionError(
        NameOfFile(options.prompts_file),
        ": correct_idx and incorrect_idx are token ids, which mean other tokens under another tokenizer (the IOI file "
        "that EAP-IG ships has Llama's). Say whose they are with --tokenizer-of MODEL (the name of the model that the "
        "server holds, or its tokenizer's SHA-256), or give texts in columns `target` and `contrast`");
  }
  if (!data->has_foreign_ids && !options.tokenizer_of.empty()) {
    return OptionError("--tokenizer-of: ", NameOfFile(options.prompts_file),
                       " has no column correct_idx or incorrect_idx; drop it");
  }
  result->data = *std::move(data);
  for (auto& prompt : result->data.prompts) *result->request.add_prompts() = std::move(prompt);
  result->data.prompts.clear();
  return absl::OkStatus();
}

// Of missing ones the server would say the same, with less of a way out.
absl::Status CheckPairs(const ScanRequestOptions& options, const ScanRequest& result) {
  const auto& kinds = options.replacement.replace;
  const bool has_resample = std::find(kinds.begin(), kinds.end(), "resample") != kinds.end();
  // A data set has its pairs whatever is done with them.
  if (!has_resample) {
    return CheckDependents({{options.prompts.corrupted.has_value(), "--corrupted", false, "--replace resample"}});
  }
  for (int p = 0; p < result.request.prompts_size(); ++p) {
    if (result.request.prompts(p).corrupted_input_case() != ablation::v1::Prompt::CORRUPTED_INPUT_NOT_SET) continue;
    if (result.data.origins.empty())
      return OptionError("--replace resample needs --corrupted TEXT, the pair's other prompt");
    return OptionError("--replace resample needs a `corrupted` prompt for each; ", result.data.origins[p], " has none");
  }
  return absl::OkStatus();
}

absl::StatusOr<ScanRequest> ReadSpec(const std::string& path) {
  const auto text = ReadTextFile("--spec", path);
  if (!text.ok()) return text.status();
  ScanRequest result;
  result.is_spec = true;
  const auto status = google::protobuf::util::JsonStringToMessage(*text, &result.request);
  if (!status.ok()) {
    // Behind its first line it draws the place.
    const std::string reason(status.message());
    return OptionError(
        "--spec ", NameOfFile(path),
        ": not an AblateRequest in protobuf JSON (--print-spec writes one): ", reason.substr(0, reason.find('\n')));
  }
  for (int p = 0; p < result.request.prompts_size(); ++p) {
    result.data.origins.push_back(absl::StrCat(NameOfFile(path), ", prompts[", p, "]"));
  }
  return result;
}

absl::Status CheckSeed(const ScanRequestOptions& options) {
  return CheckDependents(
      {{options.seed.has_value(), "--seed", options.sweep.random_sets.has_value() || options.summary.summary,
        "--random-sets or --summary"}});
}

}  // namespace

absl::StatusOr<ScanRequest> MakeScanRequest(const ScanRequestOptions& options) {
  if (!options.spec.empty()) return ReadSpec(options.spec);
  const PromptOptions& prompts = options.prompts;
  if (prompts.prompt.has_value() && !prompts.prompts_file.empty()) {
    return OptionError("--prompt and --prompts cannot go together: drop one, or write the prompt into ",
                       prompts.prompts_file);
  }
  if (!prompts.prompt.has_value() && prompts.prompts_file.empty()) {
    return OptionError("expected one of --prompt TEXT, --prompts FILE and --spec FILE.json");
  }
  ScanRequest result;
  // Where the options are wrong, no file of prompts need be read.
  auto status = SetSweep(options.sweep, options.seed, &result.request);
  status.Update(SetReplacements(options.replacement, &result.request));
  status.Update(SetSummary(options.summary, options.seed, &result.request));
  status.Update(CheckSeed(options));
  // Its errors too; set anew once the file tells how its answers are scored.
  ablation::v1::AblateRequest probe;
  status.Update(SetReadout(options.readout, ablation::v1::REDUCTION_UNSPECIFIED, &probe));
  if (!status.ok()) return status;
  status = prompts.prompt ? AddPrompt(prompts, &result) : AddPromptsFile(prompts, &result);
  status.Update(SetReadout(options.readout, result.data.reduction, &result.request));
  status.Update(CheckPairs(options, result));
  if (!status.ok()) return status;
  result.request.set_prepend_bos(prompts.prepend_bos);
  return result;
}

absl::StatusOr<std::string> RequestJson(const ablation::v1::AblateRequest& request) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.add_whitespace = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(request, &json, options);
  if (!status.ok()) return absl::InternalError(absl::StrCat("cannot write JSON: ", status.ToString()));
  return json;
}

}  // namespace ablate::cli
