// A grid of numbers as a map for the terminal: coloured cells with a legend, or signed numbers without colour.
#pragma once

#include <string>
#include <vector>

#include "client/cpp/cli/style.h"

namespace ablate::cli {

struct HeatMap {
  std::vector<std::string> row_labels;
  std::vector<std::string> column_labels;  // at most 4 characters each
  std::vector<double> values;              // [rows, columns]; NaN: none yet

  // The largest absolute value; 0 where there is none.
  double MaxAbs() const;
};

// Lines without line ends: the columns' labels, one line a row, the legend. Cells that have no value yet are dots. Blue
// is negative, white 0, red positive; the scale is symmetric, up to the largest absolute value.
std::vector<std::string> DrawHeatMap(const HeatMap& map, Color color);

}  // namespace ablate::cli
