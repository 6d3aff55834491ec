#include <limits>

#include "engine/plan/plan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/plan/batches.h"

namespace ablate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<int32_t> FirstLayers(const Plan& plan) {
  std::vector<int32_t> layers;
  for (const Chunk& chunk : plan.chunks) layers.push_back(chunk.first_layer);
  return layers;
}

std::vector<int32_t> PromptsOf(const Chunk& chunk) {
  std::vector<int32_t> prompts;
  for (const Row& row : chunk.layers.front().rows) prompts.push_back(row.prompt);
  return prompts;
}

// Variants in the order of the chunk's reads, at one read position.
std::vector<int32_t> VariantsOf(const Chunk& chunk) {
  std::vector<int32_t> variants;
  for (const ReadPoint& read : chunk.reads) variants.push_back(read.variant);
  return variants;
}

TestPrompt Bare(int32_t n_tokens) {
  return {.n_tokens = n_tokens, .variants = {}, .read_positions = {n_tokens - 1}};
}

TEST(ChunkerTest, PromptsThatFitWholeShareChunksInOrder) {
  const Plan plan =
      Batch{.n_layers = 2, .prompts = {Bare(4), Bare(6), Bare(5), Bare(4), Bare(1), Bare(1)}}.MakePlan(10);
  ASSERT_THAT(plan.chunks, SizeIs(3));
  EXPECT_THAT(PromptsOf(plan.chunks[0]), ElementsAre(0, 1));
  EXPECT_THAT(PromptsOf(plan.chunks[1]), ElementsAre(2, 3, 4));
  EXPECT_THAT(PromptsOf(plan.chunks[2]), ElementsAre(5));
  for (const Chunk& chunk : plan.chunks) {
    EXPECT_FALSE(chunk.keeps_baselines);
    EXPECT_FALSE(chunk.releases_baselines);
  }
}

// With a limit of its own, which neither a first prompt that fits whole nor a later chunk knows.
TEST(ChunkerTest, TheFirstChunkMayBeSmaller) {
  const auto parts = [](std::vector<TestPrompt> prompts, int64_t first) {
    const Batch batch{.n_layers = 2, .prompts = std::move(prompts)};
    const auto plan = MakePlan(batch.PlanPrompts(), {2, 10, first});
    std::vector<size_t> sizes;
    for (const Chunk& chunk : plan.value().chunks) sizes.push_back(PromptsOf(chunk).size());
    return sizes;
  };
  const std::vector<TestPrompt> prompts = {Bare(2), Bare(1), Bare(4), Bare(4), Bare(2)};
  EXPECT_THAT(parts(prompts, 0), ElementsAre(3, 2));
  EXPECT_THAT(parts(prompts, 100), ElementsAre(3, 2));
  EXPECT_THAT(parts(prompts, 3), ElementsAre(2, 3));
  EXPECT_THAT(parts({Bare(6), Bare(4), Bare(6)}, 3), ElementsAre(1, 2));
  const TestPrompt cut{
      .n_tokens = 4, .variants = {{{Zero(0, 0)}}, {{Zero(0, 1)}}, {{Zero(0, 2)}}}, .read_positions = {3}};
  const Batch batch{.n_layers = 2, .prompts = {cut}};
  const Plan plan = MakePlan(batch.PlanPrompts(), {2, 12, 5}).value();
  ASSERT_THAT(plan.chunks, SizeIs(2));
  EXPECT_THAT(VariantsOf(plan.chunks[0]), ElementsAre(-1));
  EXPECT_THAT(VariantsOf(plan.chunks[1]), ElementsAre(0, 1, 2));
}

TEST(ChunkerTest, APromptThatIsCutHasChunksOfItsOwn) {
  const TestPrompt large{
      .n_tokens = 4, .variants = {{{Zero(0, 0)}}, {{Zero(0, 1)}}, {{Zero(0, 2)}}}, .read_positions = {3}};
  const Plan plan = Batch{.n_layers = 2, .prompts = {Bare(3), large, Bare(3)}}.MakePlan(12);
  ASSERT_THAT(plan.chunks, SizeIs(4));
  EXPECT_THAT(PromptsOf(plan.chunks[0]), ElementsAre(0));
  EXPECT_THAT(VariantsOf(plan.chunks[1]), ElementsAre(-1, 0, 1));
  EXPECT_TRUE(plan.chunks[1].keeps_baselines);
  EXPECT_FALSE(plan.chunks[1].releases_baselines);
  EXPECT_THAT(VariantsOf(plan.chunks[2]), ElementsAre(2));
  EXPECT_FALSE(plan.chunks[2].keeps_baselines);
  EXPECT_TRUE(plan.chunks[2].releases_baselines);
  EXPECT_THAT(PromptsOf(plan.chunks[3]), ElementsAre(2));
}

// Budget 100, 5 tokens a row. The first chunk carries the baseline to the end, so 19 heads fit beside it; a later one
// only needs it up to its last fan-out, so 20 fit; and heads of the last layer, which have one token each, fit many.
TEST(ChunkerTest, ChunksOfLateLayersStartLate) {
  const Batch batch{.n_layers = 12, .prompts = {{.n_tokens = 5, .variants = Singles(), .read_positions = {4}}}};
  const Plan plan = batch.MakePlan(100);
  EXPECT_THAT(FirstLayers(plan), ElementsAre(0, 19 / 12, 39 / 12, 59 / 12, 79 / 12, 99 / 12, 119 / 12));
  EXPECT_THAT(VariantsOf(plan.chunks[0]), SizeIs(1 + 19));
  for (size_t c = 1; c < 6; ++c) EXPECT_THAT(VariantsOf(plan.chunks[c]), SizeIs(20)) << "chunk " << c;
  EXPECT_THAT(VariantsOf(plan.chunks[6]), SizeIs(25));
}

TEST(ChunkerTest, ABudgetBelowOneVariantRunsThemOneByOne) {
  const Batch batch{
      .n_layers = 3,
      .prompts = {
          {.n_tokens = 4, .variants = {{{Zero(0, 0)}}, {}, {{Zero(1, 0)}}, {{Zero(0, 0)}}}, .read_positions = {3}}}};
  const Plan plan = batch.MakePlan(1);
  ASSERT_THAT(plan.chunks, SizeIs(3));
  EXPECT_THAT(FirstLayers(plan), ElementsAre(0, 0, 1));
  EXPECT_THAT(VariantsOf(plan.chunks[0]), ElementsAre(-1, 1));
  EXPECT_THAT(VariantsOf(plan.chunks[1]), ElementsAre(0, 3));
  EXPECT_THAT(VariantsOf(plan.chunks[2]), ElementsAre(2));
}

TEST(ChunkerTest, ABaselineAloneIsNotCut) {
  const Plan plan = Batch{.n_layers = 2, .prompts = {Bare(4)}}.MakePlan(1);
  ASSERT_THAT(plan.chunks, SizeIs(1));
  EXPECT_FALSE(plan.chunks[0].keeps_baselines);
  EXPECT_FALSE(plan.chunks[0].releases_baselines);
}

// The second chunk of a prompt with one variant, at a budget that takes neither beside the other.
Chunk LaterChunk(const Edit& edit, std::vector<int32_t> reads) {
  Plan plan =
      Batch{.n_layers = 4, .prompts = {{.n_tokens = 4, .variants = {{{edit}}}, .read_positions = std::move(reads)}}}
          .MakePlan(4);
  EXPECT_THAT(FirstLayers(plan), ElementsAre(0, edit.site.layer));
  return plan.chunks.back();
}

TEST(ChunkerTest, ALaterChunkDropsTheBaselineOnceNothingReadsIt) {
  const Chunk chunk = LaterChunk(Zero(1, 0), {3});
  EXPECT_THAT(chunk.layers[0].rows, SizeIs(1));
  EXPECT_THAT(chunk.layers[0].source_token, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(chunk.layers[1].rows, SizeIs(1));
  EXPECT_EQ(chunk.layers[1].rows[0].baseline, -1);
  EXPECT_THAT(chunk.layers[2].source_token, ElementsAre(3));
}

TEST(ChunkerTest, ALaterChunkKeepsTheBaselineForTheKeysOfRowsThatBeginBehindIt) {
  const Chunk chunk = LaterChunk(Zero(1, 0, {2, 4}), {3});
  for (size_t layer = 1; layer < 3; ++layer) {
    ASSERT_THAT(chunk.layers[layer].rows, SizeIs(2));
    EXPECT_EQ(chunk.layers[layer].rows[1].baseline, 0);
  }
  EXPECT_THAT(chunk.layers[2].source_token, ElementsAre(5)) << "only the variant is read";
}

TEST(ChunkerTest, ALaterChunkReadsTheBaselineBeforeAVariantBegins) {
  const Chunk chunk = LaterChunk(Zero(1, 0, {2, 4}), {0, 1, 2, 3});
  EXPECT_THAT(chunk.layers[2].source_token, ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(VariantsOf(chunk), ElementsAre(0, 0, 0, 0));
  for (int32_t i = 0; i < 4; ++i) EXPECT_EQ(chunk.reads[i].token, i);
}

TEST(ChunkerTest, RefusesAChunkThatAnInt32CannotIndex) {
  const Variant variant{{Zero(0, 0, {1, 2})}};
  const std::vector<int32_t> reads = {INT32_MAX - 1};
  const PlanPrompt prompt{.n_tokens = INT32_MAX, .variants = {&variant, 1}, .read_positions = reads};
  const absl::Status status = MakePlan({&prompt, 1}, {.n_layers = 2, .max_packed_tokens = INT64_MAX}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "prompts[0].n_tokens is too large: a chunk with one of its variants would have 4294967293 packed tokens in "
            "a layer, expected at most 2147483647");
}

TEST(PlannerTest, KnowsTheCostWithoutBuildingAChunk) {
  const int64_t n_tokens = 1 << 20;
  const std::vector<Variant> variants = Singles();
  const std::vector<int32_t> reads = {static_cast<int32_t>(n_tokens) - 1};
  const PlanPrompt prompt{.n_tokens = static_cast<int32_t>(n_tokens), .variants = variants, .read_positions = reads};
  const absl::StatusOr<Planner> planner =
      Planner::Create({&prompt, 1}, {.n_layers = 12, .max_packed_tokens = INT64_MAX});
  ASSERT_TRUE(planner.ok()) << planner.status();
  EXPECT_EQ(planner->n_chunks(), 1);
  EXPECT_EQ(planner->cost(), (948 - 145) * n_tokens + 145);
}

TEST(PlannerTest, BuildsTheChunksOfMakePlanInAnyOrderAfterItsInputIsGone) {
  std::mt19937 random(3);
  for (int i = 0; i < 100; ++i) {
    Batch batch = RandomBatch(random);
    const Plan plan = batch.MakePlan(15);
    const absl::StatusOr<Planner> planner =
        Planner::Create(batch.PlanPrompts(), {.n_layers = batch.n_layers, .max_packed_tokens = 15});
    ASSERT_TRUE(planner.ok()) << planner.status();
    batch.prompts.clear();
    ASSERT_EQ(planner->n_chunks(), static_cast<int64_t>(plan.chunks.size()));
    EXPECT_EQ(planner->cost(), plan.cost);
    for (int64_t c = planner->n_chunks() - 1; c >= 0; --c) {
      const Chunk built = planner->Build(c);
      const Chunk& expected = plan.chunks[c];
      ASSERT_EQ(built.first_layer, expected.first_layer);
      ASSERT_EQ(built.keeps_baselines, expected.keeps_baselines);
      ASSERT_EQ(built.releases_baselines, expected.releases_baselines);
      ASSERT_EQ(VariantsOf(built), VariantsOf(expected));
      ASSERT_EQ(built.layers.size(), expected.layers.size());
      for (size_t l = 0; l < built.layers.size(); ++l) {
        ASSERT_EQ(built.layers[l].source_token, expected.layers[l].source_token);
        ASSERT_EQ(built.layers[l].row_edit_begin, expected.layers[l].row_edit_begin);
      }
    }
  }
}

}  // namespace
}  // namespace ablate::testing
