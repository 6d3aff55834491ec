// Measures rows of logits on the device where they are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/readout.h"

namespace ablate {

struct LogitsQuery {
  // Rows of the logits.
  int64_t row = 0;
  int64_t baseline_row = 0;
  // In [0, V), or -1: none.
  int32_t target_id = -1;
  int32_t contrast_id = -1;
  int32_t top_k = 0;
};

struct LogitsReadout {
  // Room for the answers.
  explicit LogitsReadout(absl::Span<const LogitsQuery> queries);

  std::vector<kernels::ReadoutRow> rows;  // parallel to the queries
  // The queries' top-k one after the other, each falling.
  std::vector<int32_t> top_k_id;
  std::vector<double> top_k_logprob;
};

// logits [B, V], rows of unit stride. What the answers are is told in kernels/readout.h, for every device.
LogitsReadout MeasureLogits(const at::Tensor& logits, absl::Span<const LogitsQuery> queries);

}  // namespace ablate
