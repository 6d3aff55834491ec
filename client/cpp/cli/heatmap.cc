#include "client/cpp/cli/heatmap.h"

#include <algorithm>
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

double HeatMap::MaxAbs() const {
  double max = 0;
  for (const double value : values) {
    if (!std::isnan(value)) max = std::max(max, std::abs(value));
  }
  return max;
}

std::vector<std::string> DrawHeatMap(const HeatMap& map, Color color) {
  const double max_abs = map.MaxAbs();
  const int exponent = UnitExponent(max_abs);
  int label_width = kLabelWidth;
  for (const std::string& label : map.row_labels) label_width = std::max(label_width, VisibleWidth(label) + 1);
  std::vector<std::string> lines;

  std::string line(label_width, ' ');
  for (const std::string& label : map.column_labels) line += PadLeft(label, color == Color::kNone ? 6 : 4);
  lines.push_back(line);
  const size_t n_columns = map.column_labels.size();
  for (size_t r = 0; r < map.row_labels.size(); ++r) {
    line = PadRight(map.row_labels[r], label_width);
    for (size_t c = 0; c < n_columns; ++c) line += Cell(map.values[r * n_columns + c], max_abs, exponent, color);
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
