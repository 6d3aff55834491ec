#include "client/cpp/cli/scan_request.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/cpp/cli/prompts_file.h"
#include "client/cpp/cli/ranges.h"
#include "client/cpp/errors.h"

namespace ablate::cli {
namespace {

absl::Status SetToken(const char* option, const std::optional<std::string>& text, std::optional<int32_t> id,
                      ablation::v1::Prompt* prompt, ablation::v1::TokenRef* (ablation::v1::Prompt::*field)()) {
  if (text && id) {
    return absl::InvalidArgumentError(
        absl::StrCat(option, " and ", option, "-id are both given, expected one of them"));
  }
  if (text) (prompt->*field)()->set_text(*text);
  if (id) (prompt->*field)()->set_id(*id);
  return absl::OkStatus();
}

absl::Status AddPrompt(const ScanRequestOptions& options, ScanRequest* result) {
  auto* prompt = result->request.add_prompts();
  prompt->set_text(*options.prompt);
  auto status = SetToken("--target", options.target, options.target_id, prompt, &ablation::v1::Prompt::mutable_target);
  status.Update(
      SetToken("--contrast", options.contrast, options.contrast_id, prompt, &ablation::v1::Prompt::mutable_contrast));
  return status;
}

absl::Status AddPromptsFile(const ScanRequestOptions& options, ScanRequest* result) {
  if (options.target || options.contrast || options.target_id || options.contrast_id) {
    return absl::InvalidArgumentError(
        "--target and --contrast belong to --prompt; in a prompts file each line has its own `target` and `contrast`");
  }
  auto lines = ReadPromptLines(options.prompts_file);
  if (!lines.ok()) return lines.status();
  const std::string name = options.prompts_file == "-" ? "standard input" : options.prompts_file;
  for (size_t i = 0; i < lines->prompts.size(); ++i) {
    *result->request.add_prompts() = std::move(lines->prompts[i]);
    result->origins.push_back(absl::StrCat(name, ", line ", lines->line_numbers[i]));
  }
  return absl::OkStatus();
}

absl::Status SetRange(const char* option, const std::string& text, google::protobuf::RepeatedField<int32_t>* field) {
  if (text.empty()) return absl::OkStatus();
  const auto values = ParseRanges(option, text);
  if (!values.ok()) return values.status();
  field->Add(values->begin(), values->end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ScanRequest> MakeScanRequest(const ScanRequestOptions& options) {
  if (options.prompt.has_value() != options.prompts_file.empty()) {
    return absl::InvalidArgumentError("expected one of --prompt TEXT and --prompts FILE.jsonl");
  }
  ScanRequest result;
  // Where the options are wrong, no file need be read.
  auto* heads = result.request.mutable_sweep()->mutable_heads();
  auto status = SetRange("--layers", options.layers, heads->mutable_layers());
  status.Update(SetRange("--heads", options.heads, heads->mutable_heads()));
  if (!status.ok()) return status;
  status = options.prompt ? AddPrompt(options, &result) : AddPromptsFile(options, &result);
  if (!status.ok()) return status;
  result.request.add_replacements()->mutable_zero();
  result.request.mutable_readout()->set_top_k(options.top_k);
  result.request.set_prepend_bos(options.prepend_bos);
  return result;
}

absl::Status NameOrigin(const absl::Status& status, const ScanRequest& request) {
  std::vector<std::string> origins;
  for (const auto& violation : client::FieldViolations(status)) {
    absl::string_view field = violation.field();
    size_t prompt = 0;
    if (!absl::ConsumePrefix(&field, "prompts[") || !absl::SimpleAtoi(field.substr(0, field.find(']')), &prompt))
      continue;
    if (prompt < request.origins.size()) origins.push_back(request.origins[prompt]);
  }
  if (origins.empty()) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), " (", absl::StrJoin(origins, "; "), ")"));
}

}  // namespace ablate::cli
