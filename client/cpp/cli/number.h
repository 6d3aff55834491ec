// Numbers as text: values so that they read back to the same bits, times and sizes for people.
#pragma once

#include <cstdint>
#include <string>

#include "ablation/v1/model.pb.h"

namespace ablate::cli {

// The shortest decimal text that reads back to `value`: as a float32 unless the run was in float64, since all other
// precisions send float32 widened. `value` is finite.
std::string RoundTrip(double value, ablation::v1::Precision precision);

// `float32`; the enum's name in lower case without its prefix.
std::string PrecisionName(ablation::v1::Precision precision);

// `0.010 s`; from a minute on `1h2m5s`.
std::string DurationText(int64_t ns);

// `70.3 MiB`, `1.5 GiB`.
std::string BytesText(int64_t bytes);

}  // namespace ablate::cli
