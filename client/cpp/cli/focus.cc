#include "client/cpp/cli/focus.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/bars.h"
#include "client/cpp/cli/prompt_report.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

using ablation::v1::RowBlock;
using Column = const google::protobuf::RepeatedField<double>& (RowBlock::*)() const;

constexpr int kHalfBar = 9;
constexpr int kCellWidth = 2 * kHalfBar + 12;

struct Side {
  std::string title;
  Column column;
};

std::vector<Side> SidesOf(const client::ScanManifest& manifest, int index) {
  const auto& prompt = manifest.prompts[index];
  if (prompt.targets().empty()) return {{"KL(baseline || ablated)", &RowBlock::kl_divergence}};
  std::vector<Side> sides = {
      {absl::StrCat("log p(", AnswerText(manifest, prompt.targets()), ")"), &RowBlock::delta_target_logprob}};
  if (!prompt.contrasts().empty()) {
    sides.push_back(
        {absl::StrCat("log p(", AnswerText(manifest, prompt.contrasts()), ")"), &RowBlock::delta_contrast_logprob});
  }
  return sides;
}

double Value(const Row& row, Column column) {
  const double value = row.Value((row.columns().*column)());
  return std::isnan(value) ? 0 : value;
}

bool IsHeadOf(const ablation::v1::Variant& variant, int32_t layer) {
  return variant.sites_size() == 1 && variant.sites(0).layer() == layer;
}

}  // namespace

bool HasFocusLayer(const client::ScanManifest& manifest, int32_t layer) {
  return std::any_of(manifest.variants.begin(), manifest.variants.end(),
                     [layer](const auto& variant) { return IsHeadOf(variant, layer); });
}

std::vector<std::string> DrawFocus(const Legend& legend, int prompt, absl::Span<const Row> rows, int32_t layer,
                                   Color color) {
  const std::vector<Side> sides = SidesOf(legend.manifest(), prompt);
  std::vector<Row> chosen;
  double max_abs = 0;
  for (const Row& row : rows) {
    if (row.is_unedited() || !IsHeadOf(legend.manifest().variants[row.variant()], layer)) continue;
    chosen.push_back(row);
    for (const Side& side : sides) max_abs = std::max(max_abs, std::abs(Value(row, side.column)));
  }
  if (chosen.empty()) return {};

  std::vector<std::string> lines = {
      Bold(color, absl::StrCat("Layer ", layer, ", each head ablated alone: the change of"))};
  std::string line(8, ' ');
  for (const Side& side : sides) absl::StrAppend(&line, PadRight(Cut(side.title, kCellWidth - 2), kCellWidth));
  lines.emplace_back(absl::StripTrailingAsciiWhitespace(line));
  for (const Row& row : chosen) {
    line = absl::StrCat("  ", PadRight(RunTitle(legend, row), 6));
    for (const Side& side : sides) {
      const double value = Value(row, side.column);
      absl::StrAppend(&line, absl::StrFormat("%+8.4f ", value), Bar(value, max_abs, kHalfBar, color), "  ");
    }
    lines.emplace_back(absl::StripTrailingAsciiWhitespace(line));
  }
  return lines;
}

}  // namespace ablate::cli
