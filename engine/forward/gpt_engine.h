// The Engine over libtorch.
#pragma once

#include <c10/core/Stream.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/forward/chunk_runner.h"
#include "engine/forward/device_tables.h"
#include "engine/forward/edit_tables.h"
#include "engine/forward/kept_tuning.h"
#include "engine/forward/memory_meter.h"
#include "engine/forward/pass_graphs.h"
#include "engine/forward/token_budget.h"
#include "engine/forward/weights.h"
#include "engine/forward/workspace.h"
#include "engine/model/config.h"
#include "engine/plan/plan.h"

namespace ablate {

struct RunLimits {
  int64_t max_packed_tokens = 0;
  int32_t threads = 0;
};

// How an engine uses its device.
struct DeviceUse {
  // On a GPU: passes are recorded as CUDA graphs.
  bool records = true;
  // As ComputeMode has it.
  bool batch_invariant = false;
  // A chunk is planned and queued before the last one's readouts are waited for: on a GPU, which works meanwhile.
  bool overlaps = false;
  OwnAttention own_attention;
  // On a GPU: where what was measured of it is kept; null: nowhere.
  std::shared_ptr<KeptTuning> kept_tuning;
};

class GptEngine final : public Engine {
 public:
  GptEngine(Weights weights, GptConfig config, std::unique_ptr<const Tokenizer> tokenizer, EngineInfo info,
            DeviceUse use);

  const EngineInfo& Describe() const override { return info_; }
  const Tokenizer& tokenizer() const override { return *tokenizer_; }
  const std::vector<double>& FoldedValueBias() const override { return folded_value_bias_; }
  absl::Status Validate(const Scan& scan) const override;
  absl::StatusOr<int64_t> Cost(const Scan& scan) const override;
  absl::StatusOr<PlanWork> Work(absl::Span<const Scan> scans) const override;
  absl::StatusOr<RunStats> Run(absl::Span<const Scan> scans, const BlockSink& sink) override;

  // The same under other limits, for the self-test.
  absl::StatusOr<RunStats> RunWithin(const RunLimits& limits, absl::Span<const Scan> scans, const BlockSink& sink);

  // What the self-test found.
  void set_self_test(bool batch_invariant, double cost_per_second) {
    info_.batch_invariant = batch_invariant;
    info_.self_test_cost_per_second = cost_per_second;
  }

 private:
  // Which variants' rows a Run has handed out: [scan][variant], the unedited runs in front.
  using Delivered = std::vector<std::vector<bool>>;

  // `held_bytes` are taken already.
  MemoryUse UseBeside(int64_t held_bytes) const;
  // Of all scans as one batch, under the engine's own limits.
  absl::StatusOr<Planner> MakePlanner(absl::Span<const Scan> scans) const;
  // Whether a chunk of these may be queued before the last one's results are waited for.
  bool Overlaps(absl::Span<const Scan> scans) const;
  PlanOptions PlanOptionsOf(int64_t max_packed_tokens, absl::Span<const Scan> scans) const;

  // Hands a chunk's results out, but for scans that are cancelled.
  absl::Status Deliver(ChunkRunner::Pending chunk, absl::Span<const Scan> scans, const std::vector<bool>& cancelled,
                       const BlockSink& sink, Delivered& delivered, RunStats& stats);
  // Runs what is not yet delivered.
  absl::Status RunPlanned(int64_t max_packed_tokens, absl::Span<const Scan> scans, const BlockSink& sink,
                          Delivered& delivered, RunStats& stats);

  Weights weights_;
  GptConfig config_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  EngineInfo info_;
  const DeviceUse use_;
  std::vector<double> folded_value_bias_;  // [L, H, Dh]
  Workspace workspace_;
  // On a GPU: that of its products, which is not the default one, where nothing can be recorded.
  std::optional<c10::Stream> stream_;
  std::unique_ptr<PassGraphs> graphs_;
  EditTables tables_;
  std::shared_ptr<MemoryMeter> memory_;
  int32_t n_running_ = 0;  // Runs within each other (Scan::between_chunks)
};

}  // namespace ablate
