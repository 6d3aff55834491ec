#include "engine/forward/token_budget.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "engine/forward/attend_composed.h"
#include "engine/forward/effects.h"
#include "engine/forward/pass_graphs.h"
#include "engine/forward/readout.h"
#include "kernels/readout.h"

namespace ablate {
namespace {

constexpr int64_t kMostCpuTokens = 16'384;
constexpr int64_t kMostCudaTokens = 65'536;

// Two residuals, the normed one, heads before and after the edit, and the larger of QKV and the MLP's hidden layer
// (forward/layer.cc), in elements. On CUDA the tables of all layers lie beside them (pass_tables.h): three indices a
// token, and a row and an edit, of which there are no more; and, where every token is read, the answers to three
// queries each (readout.cc), of this pass and the one before, on the device and on the way from it. Top-k's are left
// out.
int64_t ElementsPerToken(const GptConfig& config, DeviceKind device) {
  constexpr int64_t kTableBytes = 3 * sizeof(int32_t) + sizeof(kernels::AttendRow) + sizeof(kernels::HeadEdit);
  constexpr int64_t kAnswerBytes = 3 * 2 * 2 * sizeof(kernels::ReadoutRow);
  const int64_t elements = 5 * int64_t{config.d_model} + std::max(3 * config.d_model, config.d_mlp);
  if (device == DeviceKind::kCpu) return elements;
  return elements + (int64_t{config.n_layers} * kTableBytes + kAnswerBytes) / static_cast<int64_t>(sizeof(float));
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

// What a cut prompt's later chunks need of its baseline and donor.
int64_t KeptElements(const GptConfig& config) {
  return 2 * (int64_t{config.n_layers} + 1) * config.n_positions * config.d_model;
}

// What the taps take whatever the pass's size: the cells that are measured at a time, with a layer's weights in
// float64, and what they keep of a cut prompt's unedited run; or one scan's widened outputs.
int64_t TapBytes(const GptConfig& config, DeviceKind device) {
  const int64_t d = config.d_model, dm = config.d_mlp;
  const int64_t cells = device == DeviceKind::kCuda ? kCudaCellsAtOnce : kCpuCellsAtOnce;
  const int64_t kept = (int64_t{config.n_layers} + 1) * config.n_positions * (d + config.n_heads + 1);
  const int64_t effects = cells * (4 * d + 3 * dm) + d * (d + dm) + kept;
  const int64_t widened = int64_t{config.n_layers} * config.n_positions * d;
  return 8 * std::max(effects, widened);
}

int64_t FixedBytes(const GptConfig& config, Precision precision, DeviceKind device) {
  const int64_t element_bytes = ActivationBytes(precision);
  const int64_t logits = ReadoutBlockRows(device) * LogitsStride(config);
  int64_t bytes = (logits + KeptElements(config)) * element_bytes + TapBytes(config, device);
  if (device == DeviceKind::kCuda) {
    // readout_cuda.cc: sums, task and answers of each query, its top-k included; queries are (readout.cc) the
    // requests', their baselines' and their donors'. attend_composed.cc: QKV and the result.
    constexpr int64_t kQueryBytes = 2048;
    bytes += PassGraphs::kMostBytes + 3 * ReadoutBlockRows(device) * kQueryBytes +
             5 * int64_t{config.d_model} * std::max<int64_t>(kAttendGroupTokens, config.n_positions) * element_bytes;
  }
  return bytes;
}

// Of all that the scans name, each once, in the engine's precision.
int64_t TableBytes(int64_t element_bytes, absl::Span<const Scan> scans) {
  absl::flat_hash_set<const EditTable*> tables;
  int64_t bytes = 0;
  for (const Scan& scan : scans) {
    if (scan.table == nullptr || !tables.insert(scan.table.get()).second) continue;
    bytes += static_cast<int64_t>(scan.table->values.size()) * element_bytes;
  }
  // Where there are several, they are copied behind one another.
  return tables.size() > 1 ? 2 * bytes : bytes;
}

}  // namespace

int64_t DefaultMemoryBudget(int64_t free_bytes) {
  return free_bytes / 2;
}

int64_t LeastMemoryBudget(const GptConfig& config, Precision precision, DeviceKind device) {
  return FixedBytes(config, precision, device) +
         kFewestTokens * ElementsPerToken(config, device) * ActivationBytes(precision);
}

int64_t TokenBudget(const GptConfig& config, const MemoryUse& use) {
  const int64_t left = use.budget_bytes - FixedBytes(config, use.precision, use.device);
  const int64_t tokens = left / (ElementsPerToken(config, use.device) * ActivationBytes(use.precision));
  return std::clamp(tokens, kFewestTokens, use.device == DeviceKind::kCuda ? kMostCudaTokens : kMostCpuTokens);
}

int64_t PassBytes(const GptConfig& config, const MemoryUse& use, int64_t tokens) {
  const int64_t elements =
      tokens * ElementsPerToken(config, use.device) + ReadoutBlockRows(use.device) * LogitsStride(config);
  return elements * ActivationBytes(use.precision);
}

int64_t TokensOfPass(const GptConfig& config, const MemoryUse& use, int64_t tokens, absl::Span<const Scan> scans) {
  const int64_t element_bytes = ActivationBytes(use.precision);
  int64_t fitting = tokens, token_bytes = ElementsPerToken(config, use.device) * element_bytes;
  if (std::any_of(scans.begin(), scans.end(), [](const Scan& scan) { return scan.on_head_outputs != nullptr; })) {
    const int64_t z_bytes = HeadOutputBytesPerToken(config, element_bytes);
    token_bytes += z_bytes;
    fitting = std::min(fitting, kMostHeadOutputBytes / z_bytes);
  }
  if (std::any_of(scans.begin(), scans.end(), [](const Scan& scan) { return scan.effects; })) {
    token_bytes += EffectBytesPerToken(config);
  }
  const int64_t left =
      use.budget_bytes - FixedBytes(config, use.precision, use.device) - TableBytes(element_bytes, scans);
  fitting = std::min(fitting, left / token_bytes);
  return std::max(fitting, std::min(tokens, kFewestTokens));
}

}  // namespace ablate
