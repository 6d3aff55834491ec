// What a scan was, in the lines above its figures.
#pragma once

#include <string>
#include <vector>

#include "client/cpp/cli/legend.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::cli {

// Model and device; of a single prompt its tokens; the sweep where it is more than all heads to zero; how a first sweep
// chose the sites; warnings.
std::vector<std::string> ScanHeading(const Legend& legend);

}  // namespace ablate::cli
