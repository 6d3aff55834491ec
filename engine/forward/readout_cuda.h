// readout by our CUDA kernels (kernels/readout.h).
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"
#include "engine/forward/logits_readout.h"

namespace ablate {

// As MeasureLogits; float32 logits on a GPU.
PendingReadout MeasureCuda(const at::Tensor& logits, absl::Span<const LogitsQuery> queries);

}  // namespace ablate
