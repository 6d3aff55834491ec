#include "client/cpp/cli/means_request.h"

#include <map>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/cli/prompts_file.h"
#include "client/cpp/errors.h"

namespace ablate::cli {
namespace {

namespace v1 = ::ablation::v1;

template <typename Value>
absl::StatusOr<Value> OneOf(const char* option, const std::string& text, const std::map<std::string, Value>& values) {
  const auto found = values.find(text);
  if (found != values.end()) return found->second;
  std::string names;
  for (const auto& [name, unused] : values) absl::StrAppend(&names, names.empty() ? "" : ", ", name);
  return absl::InvalidArgumentError(absl::StrCat(option, " `", text, "`: expected one of ", names));
}

// The option that sets a field of the request; empty: none does.
std::string OptionOf(absl::string_view field) {
  const std::pair<const char*, const char*> options[] = {{"options.mode", "--mode"},
                                                         {"options.source", "--source"},
                                                         {"options.group_by_template", "--group-by-template"},
                                                         {"options.prepend_bos", "--prepend-bos"},
                                                         {"options.include_first_position", "--include-first-position"},
                                                         {"options.min_count", "--min-count"},
                                                         {"display_name", "--name"}};
  for (const auto& [name, option] : options) {
    if (field == name) return option;
  }
  return "";
}

// `prompts[12].text` is line 13 of some file, say.
std::string PromptOrigin(absl::string_view field, const DataSet& data) {
  constexpr absl::string_view kPrefix = "prompts[";
  if (!absl::StartsWith(field, kPrefix)) return "";
  field.remove_prefix(kPrefix.size());
  size_t index = 0;
  const bool is_known = absl::SimpleAtoi(field.substr(0, field.find(']')), &index) && index < data.origins.size();
  return is_known ? data.origins[index] : "";
}

}  // namespace

absl::StatusOr<MeansRequest> MakeMeansRequest(const MeansRequestOptions& options) {
  const auto mode = OneOf<v1::MeanMode>(
      "--mode", options.mode, {{"positionwise", v1::MEAN_MODE_POSITIONWISE}, {"pooled", v1::MEAN_MODE_POOLED}});
  if (!mode.ok()) return mode.status();
  const auto source = OneOf<v1::MeanSource>(
      "--source", options.source,
      {{"clean", v1::MEAN_SOURCE_CLEAN}, {"corrupted", v1::MEAN_SOURCE_CORRUPTED}, {"both", v1::MEAN_SOURCE_BOTH}});
  if (!source.ok()) return source.status();
  if (options.include_first_position && *mode != v1::MEAN_MODE_POOLED) {
    return absl::InvalidArgumentError(
        "--include-first-position is for --mode pooled: positionwise means have position 0 anyway");
  }
  auto data = ReadPrompts(options.prompts_file);
  if (!data.ok()) return data.status();
  MeansRequest made{.request = {}, .data = *std::move(data)};
  v1::MeanOptions& means = *made.request.mutable_options();
  means.set_mode(*mode);
  means.set_source(*source);
  means.set_group_by_template(options.group_by_template);
  means.set_prepend_bos(options.prepend_bos);
  means.set_include_first_position(options.include_first_position);
  means.set_min_count(options.min_count);
  made.request.set_display_name(options.name);
  for (v1::Prompt& prompt : made.data.prompts) {
    // What is measured is not looked at, and need not travel.
    prompt.clear_targets();
    prompt.clear_contrasts();
    made.request.mutable_prompts()->Add(std::move(prompt));
  }
  made.data.prompts.clear();
  return made;
}

absl::Status NameMeansOrigin(const absl::Status& status, const MeansRequest& request) {
  for (const auto& violation : client::FieldViolations(status)) {
    const std::string option = OptionOf(violation.field());
    const std::string origin = option.empty() ? PromptOrigin(violation.field(), request.data) : option;
    if (origin.empty()) continue;
    absl::Status named(status.code(), absl::StrCat(status.message(), " (", origin, ")"));
    status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { named.SetPayload(url, payload); });
    return named;
  }
  return status;
}

}  // namespace ablate::cli
