// What a sweep's outcome looks like: for each kind of sweep the figure that a newcomer understands.
#pragma once

#include <string>
#include <vector>

#include "client/cpp/cli/legend.h"
#include "client/cpp/cli/style.h"
#include "client/cpp/cli/variant_means.h"

namespace ablate::cli {

// How a sweep is spoken of.
struct SweepWords {
  const char* unit;     // `one head at a time`
  const char* plural;   // `heads`
  const char* heading;  // of a column: `head`
};
SweepWords WordsOf(const client::ScanManifest& manifest);

// Lines without line ends, the title first. Of rows that have not come it shows nothing, so that it can be drawn while
// they come. A sweep over positions is a map of layers by positions, whatever is swept beside.
std::vector<std::string> DrawFigure(const Legend& legend, const VariantMeans& means, Color color);

// The kinds, without title: heads by layer and head; layers and groups as bars; pairs as tables; `cumulative` as a
// curve; `all_but` as a table; positions as a map.
std::vector<std::string> DrawHeads(const VariantMeans& means, Color color);
std::vector<std::string> DrawBars(const Legend& legend, const VariantMeans& means, Color color);
std::vector<std::string> DrawPairs(const Legend& legend, const VariantMeans& means, Color color);
std::vector<std::string> DrawCumulative(const Legend& legend, const VariantMeans& means, Color color);
std::vector<std::string> DrawAllBut(const Legend& legend, const VariantMeans& means, Color color);
std::vector<std::string> DrawPositions(const Legend& legend, const VariantMeans& means, Color color);

}  // namespace ablate::cli
