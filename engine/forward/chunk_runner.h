// Runs the chunks of a plan: embed, layers, readout.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "engine/forward/device_tables.h"
#include "engine/forward/effects.h"
#include "engine/forward/head_outputs.h"
#include "engine/forward/layer.h"
#include "engine/forward/pass_graphs.h"
#include "engine/forward/readout.h"
#include "engine/forward/stage_timer.h"
#include "engine/forward/weights.h"
#include "engine/forward/workspace.h"
#include "engine/model/config.h"
#include "engine/plan/plan.h"
#include "engine/types.h"

namespace ablate {

// Runs one plan's chunks in order; the unedited rows that a cut prompt's first chunk leaves behind are kept for its
// later ones, in a buffer of their own, since other scans may run between two chunks. For the thread that owns the
// device. Throws what ATen throws.
class ChunkRunner {
 public:
  // All of them outlive the runner and what it queues. `edit_table` [E, Dh] may be undefined where no edit has an
  // entry; `graphs` may be null, and are so on the CPU.
  ChunkRunner(const Weights& weights, const GptConfig& config, const PassDevice& on, at::Tensor edit_table,
              absl::Span<const Scan> scans, Workspace& workspace, PassGraphs* graphs)
      : weights_(weights),
        config_(config),
        on_(on),
        edit_table_(std::move(edit_table)),
        scans_(scans),
        workspace_(workspace),
        graphs_(graphs),
        effects_(weights, config, scans) {}

  ~ChunkRunner() { DropKept(); }
  ChunkRunner(const ChunkRunner&) = delete;
  ChunkRunner& operator=(const ChunkRunner&) = delete;

  struct Result {
    // Of the scans that want them and whose baseline this chunk reports, in their order.
    std::vector<ScanHeadOutputs> head_outputs;
    std::vector<ReadoutBlock> blocks;
    // Of all, and of what is behind the last layer.
    int64_t forward_ns = 0, readout_ns = 0;
  };

  // A chunk that a GPU may still be at: it needs neither the chunk nor the workspace any more.
  class Pending {
   public:
    // Waits for it.
    Result Take() &&;

   private:
    friend class ChunkRunner;
    explicit Pending(c10::Device device) : forward_(device) {}

    Result result_;
    EffectRows effects_;
    std::vector<PendingBlocks> readouts_;
    StageTimer forward_;
    std::optional<StageTimer> readout_;
  };
  // The readouts of one chunk, of those that are wanted: on the CPU they are computed here, on a GPU queued, but for
  // what effects, heads' outputs and answers of several tokens wait for.
  Pending Queue(const Chunk& chunk, absl::FunctionRef<bool(const ReadPoint&)> is_wanted);

 private:
  // What a cut prompt's later chunks need of its unedited rows.
  struct KeptRows {
    int32_t prompt = -1;
    at::Tensor storage;                // borrowed from the workspace; the tensors below lie in it
    int64_t used = 0;                  // elements
    std::vector<at::Tensor> entering;  // L x [T, D] or [2 T, D], the residuals entering each layer: baseline, donor
    std::vector<int32_t> positions;    // that are read
    at::Tensor final;                  // [positions, D], the baseline's residual leaving the last layer
    at::Tensor donor_final;            // likewise; undefined where there is no donor
  };

  bool IsRecordable(const Chunk& chunk) const;
  // Both give the residual [M, D] that leaves the last layer.
  at::Tensor RunRecordable(const Chunk& chunk, const PackedTokens& tokens);
  at::Tensor RunTapped(const Chunk& chunk, const PackedTokens& tokens, Result& result, EffectRows& effects);
  LayerOutput RunLayerOf(const Chunk& chunk, size_t index, const DeviceTables& tables, at::Tensor x);
  at::Tensor Embedded(const DeviceTables& tables, int64_t n);
  at::Tensor KeptResidual(const Chunk& chunk);
  void BeginKeeping(const Chunk& chunk);
  at::Tensor TakeKept(int64_t rows);
  void KeepFinal(const Chunk& chunk, const at::Tensor& x);
  void DropKept();
  std::vector<PendingBlocks> ReadOutChunk(const Chunk& chunk, const at::Tensor& x, const EffectRows& effects,
                                          absl::FunctionRef<bool(const ReadPoint&)> is_wanted);

  const Weights& weights_;
  const GptConfig& config_;
  const PassDevice on_;
  at::Tensor edit_table_;
  absl::Span<const Scan> scans_;
  Workspace& workspace_;
  PassGraphs* const graphs_;
  EffectsTap effects_;
  KeptRows kept_;
};

}  // namespace ablate
