// Where a scan's time went, for people.
#pragma once

#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"

namespace ablate::cli {

// `145 rows in 1.500 s (waited 0.010 s, forward 1.400 s in 1 pass)`, and a second line of the engine's and gRPC's
// shares; nothing of what the completion does not tell. A job that did not succeed has no times.
std::vector<std::string> TimingLines(const ablation::v1::Completion& completion);

}  // namespace ablate::cli
