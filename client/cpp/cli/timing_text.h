// Where a scan's time went, for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"

namespace ablate::cli {

// `145 rows in 1.500 s (waited 0.010 s, forward 1.400 s in 1 pass)`, and a second line of the engine's and gRPC's
// shares; nothing of what the completion does not tell. A job that did not succeed has no times.
std::vector<std::string> TimingLines(const ablation::v1::Completion& completion);

// `4.00 GiB`: in that unit always, so that figures of different sizes compare at a glance.
std::string Gibibytes(int64_t bytes);

}  // namespace ablate::cli
