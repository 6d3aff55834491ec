#include "client/cpp/cli/heatmap.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

constexpr int kLabelWidth = 4;

// Numbers are shown with two decimals, so very small or large maps in units of a power of ten.
int UnitExponent(double max_abs) {
  if (max_abs == 0 || (max_abs >= 0.1 && max_abs < 100)) return 0;
  return static_cast<int>(std::floor(std::log10(max_abs)));
}

std::string LegendInColor(double max_abs, Color color) {
  std::string bar;
  constexpr int kSteps = 21;
  for (int i = 0; i < kSteps; ++i) bar += OnBackground(color, Diverging(2.0 * i / (kSteps - 1) - 1.0), "  ");
  return absl::StrFormat("%*s%+.3g %s %+.3g", kLabelWidth, "", -max_abs, bar, max_abs);
}

std::string Cell(double value, double max_abs, int exponent, Color color) {
  if (color == Color::kNone) {
    return std::isnan(value) ? "     ." : absl::StrFormat("%6.2f", value / std::pow(10.0, exponent));
  }
  if (std::isnan(value)) return Dim(color, " \u00b7\u00b7 ");
  return OnBackground(color, Diverging(max_abs == 0 ? 0 : value / max_abs), "    ");
}

}  // namespace

std::vector<std::string> DrawHeatMap(const Grid& grid, Color color) {
  const double max_abs = grid.MaxAbs();
  const int exponent = UnitExponent(max_abs);
  std::vector<std::string> lines;

  std::string line(kLabelWidth, ' ');
  for (int32_t head : grid.heads()) {
    const std::string label = absl::StrCat("H", head);
    line += color == Color::kNone ? PadLeft(label, 6) : PadLeft(label, 4);
  }
  lines.push_back(line);
  for (size_t l = 0; l < grid.layers().size(); ++l) {
    line = PadRight(absl::StrCat("L", grid.layers()[l]), kLabelWidth);
    for (size_t h = 0; h < grid.heads().size(); ++h) line += Cell(grid.At(l, h), max_abs, exponent, color);
    lines.push_back(line);
  }
  if (color != Color::kNone) {
    lines.push_back("");
    lines.push_back(LegendInColor(max_abs, color));
  } else if (exponent != 0) {
    lines.push_back(absl::StrFormat("%*sin units of 1e%d", kLabelWidth, "", exponent));
  }
  return lines;
}

}  // namespace ablate::cli
