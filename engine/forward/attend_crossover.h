// From which length of a row on ATen's attention is faster on a GPU than our kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "engine/forward/pass_tables.h"
#include "engine/model/config.h"
#include "engine/types.h"

namespace ablate {

// Microseconds of attention over rows of `length`, by our kernel or by ATen's.
using TimeAttention = absl::FunctionRef<double(int32_t length, bool own)>;

// The last of the lengths, which rise, up to which our kernel is at least as fast; 0 where it is at none of them,
// INT32_MAX where it is at all.
int32_t LongestOwnRow(absl::Span<const int32_t> lengths, TimeAttention time);

// Measured on the device with the model's heads, in some ten milliseconds, on the current stream. Heads that are too
// large for our kernel are all ATen's.
OwnAttention MeasureOwnAttention(const GptConfig& config, Precision precision, c10::Device device);

}  // namespace ablate
