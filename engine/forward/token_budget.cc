#include "engine/forward/token_budget.h"

#include <algorithm>

#include "engine/forward/attend_composed.h"
#include "engine/forward/effects.h"
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

int64_t ElementBytes(Precision precision) {
  return precision == Precision::kFloat64 ? 8 : 4;
}

// head_outputs.cc: of each token, z of all layers.
int64_t HeadOutputBytesPerToken(const GptConfig& config, int64_t element_bytes) {
  return int64_t{config.n_layers} * config.d_model * element_bytes;
}

// effects.h, where every token is a cell: the state, the largest part of it twice while cells inherit theirs, and the
// parts' changes twice more on the host, in EffectRows and in the readouts.
int64_t EffectBytesPerToken(const GptConfig& config) {
  const int64_t parts = int64_t{config.n_layers} * (config.n_heads + 1);
  return 8 * (3 * parts + config.d_model + std::max<int64_t>(parts, config.d_model));
}

// What the taps take whatever the pass's size: the cells that are measured at a time, with a layer's weights in
// float64; or one scan's widened outputs.
int64_t TapBytes(const GptConfig& config, DeviceKind device) {
  const int64_t d = config.d_model, dm = config.d_mlp;
  const int64_t cells = device == DeviceKind::kCuda ? kCudaCellsAtOnce : kCpuCellsAtOnce;
  const int64_t effects = cells * (4 * d + 3 * dm) + d * (d + dm);
  const int64_t widened = int64_t{config.n_layers} * config.n_positions * d;
  return 8 * std::max(effects, widened);
}

int64_t FixedBytes(const GptConfig& config, int64_t element_bytes, DeviceKind device) {
  const int64_t logits = kReadoutBlockRows * int64_t{config.vocab_size};
  const int64_t kept = (int64_t{config.n_layers} + 1) * config.n_positions * config.d_model;
  int64_t bytes = (logits + kept) * element_bytes + TapBytes(config, device);
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
  const int64_t element_bytes = ElementBytes(precision);
  const double left = static_cast<double>(free_bytes - FixedBytes(config, element_bytes, device)) * kMemoryShare;
  const int64_t tokens = static_cast<int64_t>(left) / (ElementsPerToken(config) * element_bytes);
  return std::clamp(tokens, kFewestTokens, device == DeviceKind::kCuda ? kMostCudaTokens : kMostCpuTokens);
}

int64_t TokensOfPass(const GptConfig& config, Precision precision, int64_t tokens, absl::Span<const Scan> scans) {
  const int64_t element_bytes = ElementBytes(precision);
  const int64_t pass_bytes = ElementsPerToken(config) * element_bytes;
  int64_t fitting = tokens, bytes = pass_bytes;
  if (std::any_of(scans.begin(), scans.end(), [](const Scan& scan) { return scan.on_head_outputs != nullptr; })) {
    const int64_t z_bytes = HeadOutputBytesPerToken(config, element_bytes);
    bytes += z_bytes;
    fitting = std::min(fitting, kMostHeadOutputBytes / z_bytes);
  }
  if (std::any_of(scans.begin(), scans.end(), [](const Scan& scan) { return scan.effects; })) {
    bytes += EffectBytesPerToken(config);
  }
  fitting = std::min(fitting, static_cast<int64_t>(static_cast<double>(tokens) * pass_bytes / bytes));
  return std::max(fitting, std::min(tokens, kFewestTokens));
}

}  // namespace ablate
