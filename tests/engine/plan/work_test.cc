// What a plan asks of a machine: equal to what its built chunks hold, and the arithmetic of the design.
#include "engine/plan/work.h"

#include <algorithm>
#include <limits>
#include <random>

#include "gtest/gtest.h"
#include "tests/engine/plan/batches.h"

namespace ablate::testing {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

PlanWork Counted(const Batch& batch, int64_t max_packed_tokens) {
  const auto planner = Planner::Create(batch.PlanPrompts(), {batch.n_layers, max_packed_tokens});
  EXPECT_TRUE(planner.ok()) << planner.status();
  return planner->Work();
}

// One by one, from the chunks' own rows.
PlanWork Naive(const Batch& batch, int64_t max_packed_tokens) {
  PlanWork work(batch.n_layers);
  for (const Chunk& chunk : batch.MakePlan(max_packed_tokens).chunks) {
    for (const LayerPlan& plan : chunk.layers) {
      LayerWork& layer = work[plan.layer];
      ++layer.passes;
      layer.rows_in += static_cast<int64_t>(plan.rows.size());
      layer.rows_out += static_cast<int64_t>(plan.parent.size());
      layer.tokens_in += plan.n_tokens_in;
      layer.tokens_out += static_cast<int64_t>(plan.source_token.size());
      for (const Row& row : plan.rows) {
        for (int32_t position = row.begin; position < row.end; ++position) layer.attention_pairs += position + 1;
      }
    }
  }
  return work;
}

void ExpectEqual(const PlanWork& counted, const PlanWork& naive) {
  ASSERT_EQ(counted.size(), naive.size());
  for (size_t layer = 0; layer < counted.size(); ++layer) {
    SCOPED_TRACE(layer);
    EXPECT_EQ(counted[layer].passes, naive[layer].passes);
    EXPECT_EQ(counted[layer].rows_in, naive[layer].rows_in);
    EXPECT_EQ(counted[layer].rows_out, naive[layer].rows_out);
    EXPECT_EQ(counted[layer].tokens_in, naive[layer].tokens_in);
    EXPECT_EQ(counted[layer].tokens_out, naive[layer].tokens_out);
    EXPECT_EQ(counted[layer].attention_pairs, naive[layer].attention_pairs);
  }
}

TEST(WorkTest, IsWhatTheChunksHoldWhole) {
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    SCOPED_TRACE(i);
    const Batch batch = RandomBatch(random);
    ExpectEqual(Counted(batch, kUnlimited), Naive(batch, kUnlimited));
  }
}

TEST(WorkTest, IsWhatTheChunksHoldCut) {
  std::mt19937 random(2);
  for (int i = 0; i < 300; ++i) {
    SCOPED_TRACE(i);
    const Batch batch = RandomBatch(random);
    const auto budget = std::uniform_int_distribution<int64_t>(1, 60)(random);
    ExpectEqual(Counted(batch, budget), Naive(batch, budget));
  }
}

TEST(WorkTest, NothingAsksForNothing) {
  const WorkFigures figures = FiguresOf(Counted({.n_layers = 3, .prompts = {}}, 10), {8, 32, 100});
  EXPECT_EQ(figures.flops(), 0);
  EXPECT_EQ(figures.elements_moved(), 0);
}

// docs/design.md: 81 GFLOP for all heads of six tokens of GPT-2 Small.
TEST(WorkTest, AllHeadsHaveTheArithmeticOfTheDesign) {
  const Batch batch = {.n_layers = 12, .prompts = {{.n_tokens = 6, .variants = Singles(), .read_positions = {5}}}};
  const WorkFigures figures = FiguresOf(Counted(batch, kUnlimited), {768, 3072, 50257});
  // N is 6 (1 + 12 l), M is 6 (1 + 12 (l + 1)), and 145 behind the last layer.
  const int64_t n = 6 * 804, m = 6 * (948 - 145) + 145, d = 768;
  EXPECT_EQ(figures.gemm_flops, 2 * (n * 3 * d * d + m * 9 * d * d));
  EXPECT_EQ(figures.attention_flops, int64_t{804} * 21 * 4 * d);
  EXPECT_EQ(figures.readout_flops, int64_t{2} * 145 * d * 50257);
  EXPECT_NEAR(static_cast<double>(figures.gemm_flops + figures.readout_flops), 81.0e9, 0.1e9);
  EXPECT_EQ(figures.weights_moved, 12 * 12 * d * d + d * 50257);
  EXPECT_EQ(figures.residuals_moved, (n + m) * d);
  EXPECT_EQ(figures.elements_moved(), figures.weights_moved + figures.residuals_moved);
}

TEST(WorkTest, WhatIsTooMuchToCountStaysAtTheMost) {
  PlanWork work(2);
  work[1] = {.passes = 1, .rows_in = 1, .rows_out = 1, .tokens_in = 1, .tokens_out = 1, .attention_pairs = 1};
  const WorkShape shape = {768, 3072, 50257};
  const WorkFigures one = FiguresOf(work, shape);
  EXPECT_EQ(one.gemm_flops, 2 * 12 * 768 * 768);
  for (const int64_t each : {int64_t{1} << 39, int64_t{1} << 61}) {
    work[0] = work[1] = {each, each, each, each, each, each};
    const WorkFigures figures = FiguresOf(work, shape);
    EXPECT_EQ(figures.gemm_flops, kMostCounted);
    EXPECT_EQ(figures.weights_moved, kMostCounted);
    EXPECT_EQ(figures.readout_flops, kMostCounted);
    const bool is_exact = each < int64_t{1} << 40;
    EXPECT_EQ(figures.attention_flops, is_exact ? 2 * each * one.attention_flops : kMostCounted);
  }
}

}  // namespace
}  // namespace ablate::testing
