// Errors about fields of the request, in the words of the command line.
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/cpp/cli/scan_request.h"
#include "client/cpp/errors.h"

namespace ablate::cli {
namespace {

struct FieldOption {
  const char* field;
  const char* option;
};

// The longest prefixes first.
constexpr FieldOption kOptions[] = {
    {"sweep.filter.layers", "--layers"},
    {"sweep.filter.heads", "--heads"},
    {"sweep.filter.sites", "--sites"},
    {"sweep.filter", "--layers, --heads and --sites"},
    {"sweep.pairs.strongest", "--strongest"},
    {"sweep.groups", "--groups"},
    {"sweep.all_but.keep", "--groups"},
    {"sweep.all_but.random_sets", "--random-sets"},
    {"sweep.cumulative.order", "--order"},
    {"sweep.cumulative.steps", "--steps"},
    {"sweep", "--sweep"},
    {"replacements", "--replace"},
    {"edit_positions.each", "--each-position"},
    {"edit_positions", "--positions"},
    {"readout.positions", "--read"},
    {"readout.top_k", "--top-k"},
    {"readout.reduction", "--reduction"},
    {"readout.target_mode", "--target-mode"},
    {"readout.edit_appended", "--edit-appended"},
    {"readout.likelihood", "--likelihood"},
    {"readout.effects", "--effects"},
    {"readout.compensation", "--compensation"},
    {"readout.min_denominator", "--min-denominator"},
    {"summary.bootstrap_resamples", "--bootstrap"},
    {"summary.sign_flips", "--sign-flips"},
    {"summary.min_effect", "--min-effect"},
    {"summary.split", "--split"},
    {"summary", "--summary"},
    {"prepend_bos", "--prepend-bos"},
    {"display_name", "--name"},
    {"request_id", "--request-id"},
};

// Of the only prompt.
constexpr FieldOption kPromptOptions[] = {
    {".targets", "--target"}, {".contrasts", "--contrast"}, {".corrupted", "--corrupted"}, {".text", "--prompt"}};

// Of one of the replacements.
constexpr FieldOption kReplacementOptions[] = {
    {".mean", "--means"},
    {".constant", "--value or --value-file"},
    {".scale", "--factor"},
    {".resample", "--direction"},
};

// Of messages that name another field or call as the way out.
constexpr FieldOption kWaysOut[] = {
    {"`readout.target_mode` takes more", "--target-mode first_token or sequence takes more"},
    {"`ComputeMeans` makes one, `ListMeanLibraries` lists them",
     "`ablate means compute` makes one, `ablate means list` lists them"},
    {"`prepend_bos`", "--prepend-bos"},
    {"`sweep.pairs.strongest`", "--sweep pairs --strongest"},
    {"`sweep.cumulative` without an order", "--sweep cumulative without --order"},
};

// Empty where the field is no option's.
std::string OriginOf(absl::string_view field, const ScanRequest& request) {
  absl::string_view rest = field;
  size_t prompt = 0;
  if (absl::ConsumePrefix(&rest, "prompts[") && absl::SimpleAtoi(rest.substr(0, rest.find(']')), &prompt)) {
    if (prompt < request.data.origins.size()) return request.data.origins[prompt];
    for (const FieldOption& known : kPromptOptions) {
      if (!request.is_spec && absl::StrContains(field, known.field)) return known.option;
    }
    return "";
  }
  if (!request.is_spec && absl::StartsWith(field, "replacements[")) {
    for (const FieldOption& known : kReplacementOptions) {
      if (absl::StrContains(field, known.field)) return known.option;
    }
  }
  for (const FieldOption& known : kOptions) {
    if (!request.is_spec && absl::StartsWith(field, known.field)) return known.option;
  }
  return "";
}

}  // namespace

absl::Status NameOrigin(const absl::Status& status, const ScanRequest& request) {
  std::vector<std::string> origins;
  for (const auto& violation : client::FieldViolations(status)) {
    const std::string origin = OriginOf(violation.field(), request);
    if (!origin.empty() && !absl::StrContains(status.message(), origin)) origins.push_back(origin);
  }
  std::string message(status.message());
  for (const FieldOption& way : kWaysOut) {
    if (!request.is_spec) absl::StrReplaceAll({{way.field, way.option}}, &message);
  }
  if (!origins.empty()) absl::StrAppend(&message, " (", absl::StrJoin(origins, "; "), ")");
  if (message == status.message()) return status;
  absl::Status named(status.code(), message);
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { named.SetPayload(url, payload); });
  return named;
}

}  // namespace ablate::cli
