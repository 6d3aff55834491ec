// From final residuals to what is measured: the last LayerNorm, the unembedding in blocks of rows, and the columns.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "engine/forward/effects.h"
#include "engine/forward/token_budget.h"
#include "engine/forward/weights.h"
#include "engine/forward/workspace.h"
#include "engine/model/config.h"
#include "engine/types.h"

namespace ablate {

// One readout: a row of `residuals` and the row of its baseline.
struct ReadoutRequest {
  // Index into the scans.
  int32_t scan = 0;
  // Or kBaselineVariant, kDonorVariant.
  int32_t variant = kBaselineVariant;
  int32_t position = 0;
  // Rows of the residuals handed to ReadOut, counted from one part to the next.
  int64_t row = 0;
  int64_t baseline_row = 0;
  // Of the donor; -1: none.
  int64_t donor_row = -1;
  // Cell of its effects; -1: none, and they are 0.
  int32_t effect = -1;
};

// Most rows of logits that exist at once: [rows, V] is 206 MB on the CPU at GPT-2's vocabulary in float32. There each
// block has MKL pack the whole unembedding anew, which costs a tenth of the readout in blocks of 256 rows; a GPU reads
// a block's rows several times, from its cache where that holds them (an H100's has 50 MB).
constexpr int64_t ReadoutBlockRows(DeviceKind device) {
  return device == DeviceKind::kCuda ? 256 : 1024;
}

// Elements from one row of logits to the next: the vocabulary, rounded up so that 16-byte accesses stay aligned
// (GPT-2's 50,257 become 50,304).
int64_t LogitsStride(const GptConfig& config);

// Waits for readouts and appends one block for each run of requests of one scan; `effects`: of their chunk.
using PendingBlocks = absl::AnyInvocable<void(const EffectRows& effects, std::vector<ReadoutBlock>& blocks) &&>;

// Measures at most ReadoutBlockRows requests whose final residuals are rows of `residuals`, parts of [*, D] each;
// together they may name at most ReadoutBlockRows different rows. On a GPU, queued on the current stream. Config and
// scans outlive what it gives.
PendingBlocks ReadOut(const Weights& weights, const GptConfig& config, absl::Span<const Scan> scans,
                      absl::Span<const ReadoutRequest> requests, absl::Span<const at::Tensor> residuals,
                      Workspace& workspace);

}  // namespace ablate
