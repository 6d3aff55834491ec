// Measures rows of logits on the device where they are.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
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

// Answers that a GPU may still be computing, or bringing here.
class PendingReadout {
 public:
  // They are here.
  explicit PendingReadout(LogitsReadout answers) : answers_(std::move(answers)) {}
  // They will be in `staged` [bytes] once the device has come to `done`: those of `answers` one behind the other.
  PendingReadout(LogitsReadout answers, at::Tensor staged, c10::Event done)
      : answers_(std::move(answers)), staged_(std::move(staged)), done_(std::move(done)) {}

  // Waits for them.
  LogitsReadout Take() &&;

 private:
  LogitsReadout answers_;
  at::Tensor staged_;
  std::optional<c10::Event> done_;
};

// logits [B, V], rows of unit stride; on a GPU, queued on the current stream. What the answers are is told in
// kernels/readout.h, for every device.
PendingReadout MeasureLogits(const at::Tensor& logits, absl::Span<const LogitsQuery> queries);

}  // namespace ablate
