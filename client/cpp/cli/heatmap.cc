#include "client/cpp/cli/heatmap.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

constexpr int kLabelWidth = 4;
constexpr int kNumberWidth = 6, kColorWidth = 4;
constexpr int kLineWidth = 80;

// Numbers are shown with two decimals at most, so very small or large maps in units of a power of ten.
int UnitExponent(double max_abs) {
  // From 99.95 on a number would take more than two digits before its point, rounded to one behind it.
  if (max_abs == 0 || (max_abs >= 0.1 && max_abs < 99.95)) return 0;
  return static_cast<int>(std::floor(std::log10(max_abs)));
}

std::string LegendInColor(double max_abs, Color color) {
  std::string bar;
  constexpr int kSteps = 21;
  for (int i = 0; i < kSteps; ++i) bar += OnBackground(color, Diverging(2.0 * i / (kSteps - 1) - 1.0), "  ");
  return absl::StrFormat("%*s%+.3g %s %+.3g", kLabelWidth, "", -max_abs, bar, max_abs);
}

std::string ColorCell(double value, double max_abs, Color color) {
  if (std::isnan(value)) return Dim(color, " \u00b7\u00b7 ");
  return OnBackground(color, Diverging(max_abs == 0 ? 0 : value / max_abs), "    ");
}

std::vector<std::string> NumberCells(const std::vector<double>& values, double unit, int decimals) {
  std::vector<std::string> cells;
  cells.reserve(values.size());
  for (const double value : values) {
    cells.push_back(std::isnan(value) ? "." : absl::StrFormat("%.*f", decimals, value / unit));
  }
  return cells;
}

// With room between columns.
int ColumnWidth(const std::vector<std::string>& cells) {
  int width = kNumberWidth;
  for (const std::string& cell : cells) width = std::max(width, VisibleWidth(cell) + 1);
  return width;
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

  const size_t n_columns = map.column_labels.size();
  std::vector<std::string> cells;
  int width = kColorWidth;
  if (color == Color::kNone) {
    const double unit = std::pow(10.0, exponent);
    cells = NumberCells(map.values, unit, 2);
    width = ColumnWidth(cells);
    // -12.35 wants a wider column: where the line has no room for that, a decimal less does.
    if (width > kNumberWidth && label_width + static_cast<int>(n_columns) * width > kLineWidth) {
      cells = NumberCells(map.values, unit, 1);
      width = ColumnWidth(cells);
    }
  }
  std::string line(label_width, ' ');
  for (const std::string& label : map.column_labels) line += PadLeft(label, width);
  lines.push_back(line);
  for (size_t r = 0; r < map.row_labels.size(); ++r) {
    line = PadRight(map.row_labels[r], label_width);
    for (size_t i = r * n_columns; i < (r + 1) * n_columns; ++i) {
      line += color == Color::kNone ? PadLeft(cells[i], width) : ColorCell(map.values[i], max_abs, color);
    }
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
