// One layer's tables for tests of ops.
#pragma once

#include <ATen/Functions.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "engine/forward/device_tables.h"

namespace ablate {

// Keeps the plan, which the tables may point into.
class OneLayer {
 public:
  OneLayer(LayerPlan plan, c10::Device device, int32_t n_heads, int64_t d_head, int64_t n_entries,
           OwnAttention own = {})
      : chunk_(ChunkOf(std::move(plan))),
        config_(ConfigOf(n_heads, d_head)),
        tables_(chunk_, tokens_, config_, n_entries == 0 ? at::Tensor() : at::zeros({n_entries, d_head}, device),
                {device, own}) {}
  // What attention asks for alone.
  OneLayer(std::vector<Row> rows, int64_t n_tokens, c10::Device device, int32_t n_heads, int64_t d_head,
           OwnAttention own = {})
      : OneLayer(PlanOf(std::move(rows), n_tokens), device, n_heads, d_head, 0, own) {}
  OneLayer(const OneLayer&) = delete;
  OneLayer& operator=(const OneLayer&) = delete;

  LayerTables tables() const { return tables_.At(0); }

 private:
  static LayerPlan PlanOf(std::vector<Row> rows, int64_t n_tokens) {
    LayerPlan plan;
    plan.rows = std::move(rows);
    plan.n_tokens_in = n_tokens;
    plan.row_edit_begin = {0};
    return plan;
  }
  static Chunk ChunkOf(LayerPlan plan) {
    Chunk chunk;
    chunk.layers.push_back(std::move(plan));
    return chunk;
  }
  static GptConfig ConfigOf(int32_t n_heads, int64_t d_head) {
    GptConfig config;
    config.n_heads = n_heads;
    config.d_head = static_cast<int32_t>(d_head);
    return config;
  }

  const Chunk chunk_;
  const PackedTokens tokens_;
  const GptConfig config_;
  const DeviceTables tables_;
};

}  // namespace ablate
