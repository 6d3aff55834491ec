#include "client/cpp/cli/scan_heading.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/figure.h"
#include "client/cpp/cli/number.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

using client::ScanManifest;

std::string ModelLine(const ScanManifest& manifest) {
  const auto& model = manifest.head.model();
  const auto& runtime = manifest.head.runtime();
  std::string device = runtime.device();
  if (!runtime.device_name().empty()) absl::StrAppend(&device, " (", runtime.device_name(), ")");
  return absl::StrCat("model     ", model.name(), ": ", model.n_layers(), " layers x ", model.n_heads(), " heads | ",
                      device, " | ", PrecisionName(runtime.precision()), " | ablated ", runtime.engine_version());
}

std::string TokensLine(const char* name, const google::protobuf::RepeatedPtrField<ablation::v1::Token>& tokens) {
  constexpr int kMostTokens = 24;
  std::string line = absl::StrCat(name, tokens.size(), ":");
  const int hidden = tokens.size() - kMostTokens;
  // The end is what the prediction hangs on most.
  if (hidden > 0) absl::StrAppend(&line, " (", hidden, " more) ...");
  for (int i = std::max(0, hidden); i < tokens.size(); ++i) absl::StrAppend(&line, " ", Quote(tokens.Get(i).text()));
  return line;
}

bool IsPlain(const ScanManifest& manifest) {
  const auto& head = manifest.head;
  const bool is_heads = head.sweep().kind_case() == ablation::v1::Sweep::kHeads ||
                        head.sweep().kind_case() == ablation::v1::Sweep::KIND_NOT_SET;
  const auto& positions = head.edit_positions();
  return is_heads && head.replacements_size() == 1 && head.replacements(0).has_zero() && !positions.each() &&
         positions.positions().positions().empty() && positions.positions().ranges().empty();
}

std::string Positions(const ablation::v1::EditPositions& edits) {
  std::string parts;
  const auto add = [&parts](const auto&... pieces) { absl::StrAppend(&parts, parts.empty() ? "" : ",", pieces...); };
  for (const int32_t position : edits.positions().positions()) add(position);
  for (const auto& range : edits.positions().ranges()) {
    add(range.has_begin() ? absl::StrCat(range.begin()) : "", ":", range.has_end() ? absl::StrCat(range.end()) : "");
  }
  if (parts.empty()) return edits.each() ? "each position alone" : "all positions";
  return absl::StrCat(edits.each() ? "each of " : "", "positions ", parts, edits.each() ? " alone" : "");
}

std::string SweepLine(const Legend& legend) {
  const auto& manifest = legend.manifest();
  std::vector<std::string> replacements;
  replacements.reserve(legend.n_replacements());
  for (int r = 0; r < legend.n_replacements(); ++r) replacements.push_back(legend.ReplacementInFull(r));
  return absl::StrCat("sweep     ", manifest.n_variants(), " ", WordsOf(manifest).plural, " -> ",
                      absl::StrJoin(replacements, ", "), " | edited at ", Positions(manifest.head.edit_positions()));
}

std::string SelectionLine(const ablation::v1::Selection& selection) {
  constexpr int kShown = 6;
  std::string line = "chosen    by a heads sweep";
  if (!selection.prompt_index().empty()) {
    absl::StrAppend(&line, " over ", selection.prompt_index_size(), " of the prompts, which are not estimated on");
  }
  absl::StrAppend(&line, ":");
  for (int i = 0; i < std::min(kShown, selection.sites_size()); ++i) {
    const auto& site = selection.sites(i);
    absl::StrAppend(&line, " L", site.layer(), "H", site.head());
    if (i < selection.mean_delta_size()) absl::StrAppendFormat(&line, " (%+.4f)", selection.mean_delta(i));
  }
  if (selection.sites_size() > kShown) absl::StrAppend(&line, " ... (", selection.sites_size() - kShown, " more)");
  return line;
}

}  // namespace

std::vector<std::string> ScanHeading(const Legend& legend) {
  const ScanManifest& manifest = legend.manifest();
  const bool is_single = manifest.n_prompts() == 1;
  std::vector<std::string> lines = {ModelLine(manifest)};
  if (is_single) {
    lines.push_back(TokensLine("tokens    ", manifest.prompts[0].tokens()));
    const auto& corrupted = manifest.prompts[0].corrupted_tokens();
    if (!corrupted.empty()) lines.push_back(TokensLine("corrupted ", corrupted));
  }
  if (!IsPlain(manifest)) lines.push_back(SweepLine(legend));
  if (manifest.head.has_selection()) lines.push_back(SelectionLine(manifest.head.selection()));
  for (int p = 0; p < manifest.n_prompts(); ++p) {
    for (const std::string& warning : manifest.prompts[p].warnings()) {
      lines.push_back(absl::StrCat("warning   ", is_single ? "" : absl::StrCat("prompt ", p, ": "), warning));
    }
  }
  return lines;
}

}  // namespace ablate::cli
