#include "engine/forward/token_budget.h"

#include <algorithm>

#include "engine/forward/attend_composed.h"
#include "engine/forward/readout.h"

namespace ablate {
namespace {

constexpr int64_t kMostCpuTokens = 16'384;
constexpr int64_t kMostCudaTokens = 262'144;
// The caches and libraries of the process want their part of what is free.
constexpr double kMemoryShare = 0.5;

// Two residuals, the normed one, heads before and after the edit, and the larger of QKV and the MLP's hidden layer
// (forward/layer.cc), in elements.
int64_t ElementsPerToken(const GptConfig& config) {
  return 5 * int64_t{config.d_model} + std::max(3 * config.d_model, config.d_mlp);
}

int64_t FixedBytes(const GptConfig& config, int64_t element_bytes, DeviceKind device) {
  const int64_t logits = kReadoutBlockRows * int64_t{config.vocab_size};
  const int64_t kept = (int64_t{config.n_layers} + 1) * config.n_positions * config.d_model;
  int64_t bytes = (logits + kept) * element_bytes;
  if (device == DeviceKind::kCuda) {
    // readout_composed.cc: at most twelve float64 tensors of the block's shape live at once, those of the top-k's sort
    // included. attend_composed.cc: QKV and the result.
    bytes += 12 * 8 * logits +
             5 * int64_t{config.d_model} * std::max<int64_t>(kAttendGroupTokens, config.n_positions) * element_bytes;
  }
  return bytes;
}

}  // namespace

int64_t TokenBudget(const GptConfig& config, Precision precision, DeviceKind device, int64_t free_bytes) {
  const int64_t element_bytes = precision == Precision::kFloat64 ? 8 : 4;
  const double left = static_cast<double>(free_bytes - FixedBytes(config, element_bytes, device)) * kMemoryShare;
  const int64_t tokens = static_cast<int64_t>(left) / (ElementsPerToken(config) * element_bytes);
  return std::clamp(tokens, kFewestTokens, device == DeviceKind::kCuda ? kMostCudaTokens : kMostCpuTokens);
}

}  // namespace ablate
