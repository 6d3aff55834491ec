// readout as a composition of ATen ops in float64, for devices without a kernel of our own (CUDA, for now). Runs
// anywhere, so that tests compare it with the CPU's kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"
#include "engine/forward/logits_readout.h"

namespace ablate {

// As MeasureLogits, ties and rows that give no distribution included.
LogitsReadout MeasureComposed(const at::Tensor& logits, absl::Span<const LogitsQuery> queries);

}  // namespace ablate
