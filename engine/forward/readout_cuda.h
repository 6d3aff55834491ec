// readout by our CUDA kernels (kernels/readout.h).
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"
#include "engine/forward/logits_readout.h"
#include "engine/model/config.h"

namespace ablate {

// As MeasureLogits; float32 logits on a GPU.
PendingReadout MeasureCuda(const at::Tensor& logits, absl::Span<const LogitsQuery> queries);

// Measures in which blocks readouts of this vocabulary are the fastest on this GPU, unless that is known: in some
// milliseconds, on the current stream. At the start, since the order of a row's sums follows from it.
void MeasureReadoutBlocks(const GptConfig& config, c10::Device device);

}  // namespace ablate
