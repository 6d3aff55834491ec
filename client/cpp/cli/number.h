// Numbers as text that reads back to the same bits.
#pragma once

#include <string>

#include "ablation/v1/model.pb.h"

namespace ablate::cli {

// The shortest decimal text that reads back to `value`: as a float32 unless the run was in float64, since all other
// precisions send float32 widened. `value` is finite.
std::string RoundTrip(double value, ablation::v1::Precision precision);

// `float32`; the enum's name in lower case without its prefix.
std::string PrecisionName(ablation::v1::Precision precision);

}  // namespace ablate::cli
