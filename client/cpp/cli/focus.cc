#include "client/cpp/cli/focus.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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

std::vector<Side> SidesOf(const ablation::v1::ResolvedPrompt& prompt) {
  if (!prompt.has_target()) return {{"KL(baseline || ablated)", &RowBlock::kl_divergence}};
  std::vector<Side> sides = {
      {absl::StrCat("log p(", Quote(prompt.target().text()), ")"), &RowBlock::delta_target_logprob}};
  if (prompt.has_contrast()) {
    sides.push_back({absl::StrCat("log p(", Quote(prompt.contrast().text()), ")"), &RowBlock::delta_contrast_logprob});
  }
  return sides;
}

double Value(const Row& row, Column column) {
  const auto& values = (row.columns().*column)();
  return row.index < values.size() ? values.Get(row.index) : 0;
}

// A bar around a middle line, e.g. `    ###|       `.
std::string Bar(double value, double max_abs, Color color) {
  const int n = max_abs == 0 ? 0 : static_cast<int>(std::lround(kHalfBar * std::abs(value) / max_abs));
  const std::string fill = color == Color::kNone ? std::string(n, '#')
                           : n == 0 ? ""
                                    : OnBackground(color, Diverging(value < 0 ? -1 : 1), std::string(n, ' '));
  const std::string rest(kHalfBar - n, ' '), empty(kHalfBar, ' ');
  return value < 0 ? absl::StrCat(rest, fill, "|", empty) : absl::StrCat(empty, "|", fill, rest);
}

}  // namespace

std::vector<std::string> DrawFocus(const client::ScanManifest& manifest, int prompt, absl::Span<const Row> rows,
                                   int32_t layer, Color color) {
  const std::vector<Side> sides = SidesOf(manifest.prompts[prompt]);
  std::vector<Row> chosen;
  double max_abs = 0;
  for (const Row& row : rows) {
    if (row.variant() < 0) continue;
    const auto& variant = manifest.variants[row.variant()];
    if (variant.sites_size() != 1 || variant.sites(0).layer() != layer) continue;
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
    line = absl::StrCat("  ", PadRight(manifest.variants[row.variant()].label(), 6));
    for (const Side& side : sides) {
      const double value = Value(row, side.column);
      absl::StrAppend(&line, absl::StrFormat("%+8.4f ", value), Bar(value, max_abs, color), "  ");
    }
    lines.emplace_back(absl::StripTrailingAsciiWhitespace(line));
  }
  return lines;
}

}  // namespace ablate::cli
