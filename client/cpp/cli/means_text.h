// Mean libraries as people read them.
#pragma once

#include <string>
#include <vector>

#include "ablation/v1/means.pb.h"

namespace ablate::cli {

// A line for each thing that one knows of a library.
std::string DetailsOf(const ablation::v1::MeanLibrary& library);

// A line a library, under a heading.
std::string TableOf(const std::vector<ablation::v1::MeanLibrary>& libraries);

}  // namespace ablate::cli
