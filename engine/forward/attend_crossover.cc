#include "engine/forward/attend_crossover.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <vector>

#include "engine/forward/device_tables.h"
#include "engine/forward/ops.h"
#include "engine/forward/stage_timer.h"
#include "kernels/attend_check.h"
#include "kernels/block_shape.h"

namespace ablate {
namespace {

// Tokens of the rows that are measured: enough to fill a GPU.
constexpr int32_t kTokens = 8192;
constexpr int kRuns = 5;

// As many rows of `length` as have kTokens, with no edit.
Chunk ChunkOf(int32_t length) {
  LayerPlan plan;
  const int32_t n_rows = std::max(1, kTokens / length);
  for (int32_t row = 0; row < n_rows; ++row) {
    plan.rows.push_back({.prompt = row, .end = length, .first_token = row * length, .baseline = row});
  }
  plan.n_tokens_in = int64_t{n_rows} * length;
  plan.row_edit_begin = {0};
  Chunk chunk;
  chunk.layers.push_back(std::move(plan));
  return chunk;
}

}  // namespace

int32_t LongestOwnRow(absl::Span<const int32_t> lengths, TimeAttention time) {
  int32_t longest = 0;
  for (const int32_t length : lengths) {
    if (time(length, /*own=*/true) > time(length, /*own=*/false)) return longest;
    longest = length;
  }
  return INT32_MAX;
}

OwnAttention MeasureOwnAttention(const GptConfig& config, Precision precision, c10::Device device) {
  if (config.d_head > kernels::kAttendMaxHeadSize) return {.longest = 0};
  const at::TensorOptions options = at::TensorOptions(at::kFloat).device(device);
  const int64_t h = config.n_heads, dh = config.d_head;
  const at::Tensor bias = at::zeros({3 * h * dh}, options);
  const Operand operand = precision == Precision::kBf16 ? Operand::kBf16 : Operand::kExact;
  const auto time = [&](int32_t length, bool own) {
    const Chunk chunk = ChunkOf(length);
    const DeviceTables tables(chunk, {}, config, {}, {device, {.longest = own ? INT32_MAX : 0}});
    const int64_t n = PadRows(chunk.layers[0].n_tokens_in);
    const at::Tensor qkv = at::zeros({n, 3, h, dh}, options);
    at::Tensor z = at::zeros({n, h, dh}, options);
    int64_t best_ns = INT64_MAX;
    for (int run = 0; run < kRuns; ++run) {
      StageTimer timer(device);
      Attend(qkv, bias, chunk.layers[0].rows, tables.At(0), operand, z);
      timer.Stop();
      best_ns = std::min(best_ns, timer.ElapsedNs());
    }
    return 1e-3 * static_cast<double>(best_ns);
  };
  std::vector<int32_t> lengths;
  for (int32_t length = 64; length < config.n_positions; length *= 2) lengths.push_back(length);
  lengths.push_back(config.n_positions);
  // So many of a row's tokens go through its keys in one walk, as a rule.
  const kernels::BlockShape usual = kernels::UsualBlockShape(kernels::TunedKernel::kAttend, config.d_head);
  return {.longest = LongestOwnRow(lengths, time), .most_tokens = usual.warps * usual.queries};
}

}  // namespace ablate
