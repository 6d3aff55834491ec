// --sweep and what belongs to it.
#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "client/cpp/cli/option_error.h"
#include "client/cpp/cli/ranges.h"
#include "client/cpp/cli/scan_request.h"

namespace ablate::cli {
namespace {

using google::protobuf::RepeatedPtrField;

absl::Status SetRange(const char* option, const std::string& text, google::protobuf::RepeatedField<int32_t>* field) {
  if (text.empty()) return absl::OkStatus();
  const auto values = ParseRanges(option, text);
  if (!values.ok()) return values.status();
  field->Add(values->begin(), values->end());
  return absl::OkStatus();
}

// `list` is the part of the option's `text` that holds the sites. What a site or pattern is, the server knows; here
// only that there is one.
absl::Status SetSites(const char* option, absl::string_view text, absl::string_view list, const char* separators,
                      RepeatedPtrField<std::string>* sites) {
  for (absl::string_view site : absl::StrSplit(list, absl::ByAnyChar(separators))) {
    site = absl::StripAsciiWhitespace(site);
    if (site.empty()) {
      return OptionError(option, " `", text,
                         "`: a site is missing; expected sites such as L5H3 or patterns such as L9H*");
    }
    sites->Add(std::string(site));
  }
  return absl::OkStatus();
}

absl::Status AddGroups(const std::string& text, RepeatedPtrField<ablation::v1::SiteGroup>* groups) {
  for (absl::string_view part : absl::StrSplit(text, ';')) {
    part = absl::StripAsciiWhitespace(part);
    if (part.empty()) continue;
    auto* group = groups->Add();
    absl::string_view list = part;
    const size_t equals = part.find('=');
    if (equals != absl::string_view::npos) {
      group->set_name(std::string(absl::StripAsciiWhitespace(part.substr(0, equals))));
      list.remove_prefix(equals + 1);
    }
    if (auto status = SetSites("--groups", part, list, "+,", group->mutable_sites()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SetGroups(const SweepOptions& options, RepeatedPtrField<ablation::v1::SiteGroup>* groups) {
  for (const std::string& text : options.groups) {
    if (auto status = AddGroups(text, groups); !status.ok()) return status;
  }
  if (!groups->empty()) return absl::OkStatus();
  return OptionError("--sweep ", options.sweep, " needs --groups, such as --groups 'movers=L9H9+L9H6;induction=L5H1'");
}

absl::Status SetKind(const SweepOptions& options, std::optional<uint64_t> seed, ablation::v1::Sweep* sweep) {
  if (options.sweep == "layers") {
    sweep->mutable_layers();
  } else if (options.sweep == "pairs") {
    sweep->mutable_pairs()->set_strongest(options.strongest.value_or(0));
  } else if (options.sweep == "groups") {
    return SetGroups(options, sweep->mutable_groups()->mutable_groups());
  } else if (options.sweep == "all-but") {
    sweep->mutable_all_but()->set_random_sets(options.random_sets.value_or(0));
    if (options.random_sets) sweep->mutable_all_but()->set_seed(seed.value_or(0));
    return SetGroups(options, sweep->mutable_all_but()->mutable_keep());
  } else if (options.sweep == "cumulative") {
    auto* cumulative = sweep->mutable_cumulative();
    cumulative->set_backwards(options.backwards);
    cumulative->set_steps(options.steps.value_or(0));
    if (!options.order.empty())
      return SetSites("--order", options.order, options.order, "+,", cumulative->mutable_order());
  } else if (options.sweep.empty() || options.sweep == "heads") {
    sweep->mutable_heads();
  } else {
    return OptionError("--sweep `", options.sweep, "`: expected heads, layers, pairs, groups, all-but or cumulative");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SetSweep(const SweepOptions& options, std::optional<uint64_t> seed, ablation::v1::AblateRequest* request) {
  const std::string& kind = options.sweep;
  const bool has_filter = kind != "groups";
  auto status = CheckDependents({
      {options.strongest.has_value(), "--strongest", kind == "pairs", "--sweep pairs"},
      {options.steps.has_value(), "--steps", kind == "cumulative", "--sweep cumulative"},
      {!options.order.empty(), "--order", kind == "cumulative", "--sweep cumulative"},
      {options.backwards, "--backwards", kind == "cumulative", "--sweep cumulative"},
      {options.random_sets.has_value(), "--random-sets", kind == "all-but", "--sweep all-but"},
      {!options.groups.empty(), "--groups", kind == "groups" || kind == "all-but",
       "--sweep groups (edit each group) or --sweep all-but (keep each group)"},
  });
  if (!status.ok()) return status;
  for (const auto& [option, text] : {std::pair<const char*, const std::string&>("--layers", options.layers),
                                     {"--heads", options.heads},
                                     {"--sites", options.sites}}) {
    if (!has_filter && !text.empty()) {
      return OptionError(option, " does not go with --sweep groups, whose groups name their sites themselves; drop ",
                         option);
    }
  }
  auto* sweep = request->mutable_sweep();
  auto* filter =
      has_filter && !(options.layers + options.heads + options.sites).empty() ? sweep->mutable_filter() : nullptr;
  if (filter != nullptr) {
    status.Update(SetRange("--layers", options.layers, filter->mutable_layers()));
    status.Update(SetRange("--heads", options.heads, filter->mutable_heads()));
    if (!options.sites.empty())
      status.Update(SetSites("--sites", options.sites, options.sites, ",+", filter->mutable_sites()));
  }
  status.Update(SetKind(options, seed, sweep));
  return status;
}

}  // namespace ablate::cli
