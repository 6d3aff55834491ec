// A grid of numbers as a map for the terminal: coloured cells with a legend, or signed numbers without colour.
#pragma once

#include <string>
#include <vector>

#include "client/cpp/cli/grid.h"
#include "client/cpp/cli/style.h"

namespace ablate::cli {

// Lines without line ends: the heads, one line a layer, the legend. Cells that have no value yet are dots. Blue is
// negative, white 0, red positive; the scale is symmetric, up to the largest absolute value.
std::vector<std::string> DrawHeatMap(const Grid& grid, Color color);

}  // namespace ablate::cli
