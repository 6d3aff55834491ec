// What a scan would take, for people.
#pragma once

#include <string>

#include "ablation/v1/explain.pb.h"

namespace ablate::cli {

// A line a figure, the way out where the scan is too dear, and a table of the layers.
std::string ExplanationText(const ablation::v1::ExplainPlanResponse& plan);

}  // namespace ablate::cli
