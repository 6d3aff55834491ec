// The property that everything rests on: whatever the cuts, every variant's read points hold the state that the variant
// would have on its own.
#include "tests/engine/plan/symbolic.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate::testing {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

int64_t Width(const Chunk& chunk) {
  int64_t width = 0;
  for (const LayerPlan& layer : chunk.layers) {
    width = std::max({width, layer.n_tokens_in, static_cast<int64_t>(layer.source_token.size())});
  }
  return width;
}

// Variants of a chunk that differ from the baseline and from each other.
size_t CountDistinct(const Chunk& chunk, const Readouts& naive) {
  std::map<std::pair<int32_t, int32_t>, std::vector<uint64_t>> states;
  for (const ReadPoint& read : chunk.reads) {
    if (read.variant == kDonorVariant) continue;
    const uint64_t state = naive.at({read.prompt, read.variant, read.position});
    const uint64_t baseline = naive.at({read.prompt, -1, read.position});
    states[{read.prompt, read.variant}].push_back(state == baseline ? 0 : state);
  }
  std::set<std::pair<int32_t, std::vector<uint64_t>>> distinct;
  for (const auto& [key, state] : states) {
    const bool is_baseline = std::all_of(state.begin(), state.end(), [](uint64_t s) { return s == 0; });
    if (!is_baseline) distinct.insert({key.first, state});
  }
  return distinct.size();
}

void ExpectEqualRuns(const Batch& batch, int64_t budget, const Readouts& naive) {
  const Plan plan = batch.MakePlan(budget);
  const Execution execution = Execute(batch, plan);
  ASSERT_EQ(execution.error, "");
  // Each read position of each variant and each baseline once, and nothing else.
  ASSERT_EQ(execution.readouts, naive);
  int64_t cost = 0;
  for (const Chunk& chunk : plan.chunks) {
    for (const LayerPlan& layer : chunk.layers) cost += static_cast<int64_t>(layer.source_token.size());
    if (Width(chunk) > budget) {
      ASSERT_LE(CountDistinct(chunk, naive), 1) << "a chunk of " << Width(chunk) << " tokens could have been cut";
    }
  }
  ASSERT_EQ(plan.cost, cost);
}

TEST(SymbolicTest, EveryPlanEqualsRunningEachVariantAlone) {
  std::mt19937 random(20261124);
  for (int i = 0; i < 1500; ++i) {
    const Batch batch = RandomBatch(random);
    const Readouts naive = RunNaively(batch);
    for (const int64_t budget : {int64_t{1}, int64_t{2}, int64_t{5}, int64_t{9}, int64_t{14}, int64_t{20}, int64_t{33},
                                 int64_t{70}, kUnlimited}) {
      SCOPED_TRACE(::testing::Message() << "batch " << i << ", budget " << budget);
      ExpectEqualRuns(batch, budget, naive);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(SymbolicTest, TwelveByTwelveHeadsEqualRunningEachAlone) {
  Batch batch{.n_layers = 12,
              .prompts = {{.n_tokens = 6, .variants = Singles(), .read_positions = {5}},
                          {.n_tokens = 9, .variants = Singles(), .read_positions = {0, 4, 7}}}};
  const Readouts naive = RunNaively(batch);
  for (const int64_t budget : {int64_t{10}, int64_t{64}, int64_t{100}, int64_t{1000}, kUnlimited}) {
    SCOPED_TRACE(budget);
    ExpectEqualRuns(batch, budget, naive);
  }
}

// All heads patched from another prompt: its row runs beside the baseline's, once, whatever the number of patches.
TEST(SymbolicTest, PatchesFromAnotherPromptEqualRunningEachAlone) {
  TestPrompt prompt{.n_tokens = 6, .variants = Singles(), .read_positions = {5}, .has_donor = true};
  for (Variant& variant : prompt.variants) {
    variant.edits[0].scale = 1.0F;
    variant.edits[0].from_donor = true;
  }
  const Batch batch{.n_layers = 12, .prompts = {prompt, {.n_tokens = 3, .variants = Singles(), .read_positions = {2}}}};
  const Readouts naive = RunNaively(batch);
  for (const int64_t budget : {int64_t{13}, int64_t{64}, int64_t{200}, kUnlimited}) {
    SCOPED_TRACE(budget);
    ExpectEqualRuns(batch, budget, naive);
  }
  const Plan plan = batch.MakePlan(kUnlimited);
  EXPECT_EQ(plan.rows_in, 804 + 12 + 804);  // the donor enters each layer once
}

// A prompt's part of a plan does not depend on its neighbours: together equals alone.
TEST(SymbolicTest, PromptsTogetherReportWhatEachReportsAlone) {
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    const Batch batch = RandomBatch(random);
    const Readouts together = Execute(batch, batch.MakePlan(40)).readouts;
    size_t n_alone = 0;
    for (size_t p = 0; p < batch.prompts.size(); ++p) {
      // The others stay, with nothing but their baselines, so that the prompt keeps its index.
      Batch alone = batch;
      for (size_t other = 0; other < batch.prompts.size(); ++other) {
        if (other != p) alone.prompts[other] = {.n_tokens = 1, .variants = {}, .read_positions = {0}};
      }
      for (const auto& [key, state] : Execute(alone, alone.MakePlan(kUnlimited)).readouts) {
        if (key.prompt != static_cast<int32_t>(p)) continue;
        ++n_alone;
        ASSERT_EQ(together.at(key), state);
      }
    }
    ASSERT_EQ(together.size(), n_alone);
  }
}

// The comparison above sees each kind of damage.
class DamagedPlanTest : public ::testing::Test {
 protected:
  // True where the damaged plan is told from the good one.
  bool Notices(int64_t budget, const std::function<void(Plan&)>& damage) const {
    Plan plan = batch_.MakePlan(budget);
    const Readouts naive = RunNaively(batch_);
    EXPECT_EQ(Execute(batch_, plan).readouts, naive);
    damage(plan);
    const Execution execution = Execute(batch_, plan);
    return !execution.error.empty() || execution.readouts != naive;
  }

  const Batch batch_{
      .n_layers = 3,
      .prompts = {
          {.n_tokens = 4,
           .variants =
               {{{Zero(0, 0)}}, {{Zero(0, 1, {2, 4}), Zero(1, 0, {1, 2})}}, {{Zero(1, 1, {3, 4})}}, {{Zero(2, 1)}}, {}},
           .read_positions = {1, 3}}}};
};

TEST_F(DamagedPlanTest, NoticesAWrongSource) {
  EXPECT_TRUE(Notices(kUnlimited, [](Plan& plan) {
    LayerPlan& layer = plan.chunks[0].layers[1];
    // The same position of another row: the structure holds, only the states differ.
    const auto token = std::find(layer.row.begin(), layer.row.end(), 1) - layer.row.begin();
    layer.source_token[token] = layer.source_token[0];
  }));
}

TEST_F(DamagedPlanTest, NoticesAMissingEdit) {
  EXPECT_TRUE(Notices(kUnlimited, [](Plan& plan) { plan.chunks[0].layers[0].row_edits[0].positions.end = 1; }));
}

TEST_F(DamagedPlanTest, NoticesAnEditOfAnotherHead) {
  EXPECT_TRUE(Notices(kUnlimited, [](Plan& plan) { plan.chunks[0].layers[2].row_edits[0].head = 0; }));
}

TEST_F(DamagedPlanTest, NoticesAWrongBaseline) {
  EXPECT_TRUE(Notices(kUnlimited, [](Plan& plan) {
    for (Row& row : plan.chunks[0].layers[1].rows) {
      if (row.begin > 0) row.baseline = 1;
    }
  }));
}

TEST_F(DamagedPlanTest, NoticesAValueFromAnotherRowThanTheDonors) {
  Batch batch = batch_;
  batch.prompts[0].has_donor = true;
  batch.prompts[0].variants[0].edits[0].from_donor = true;
  Plan plan = batch.MakePlan(kUnlimited);
  const Readouts naive = RunNaively(batch);
  ASSERT_EQ(Execute(batch, plan).readouts, naive);
  plan.chunks[0].layers[0].row_edits[0].source_first = 0;
  EXPECT_NE(Execute(batch, plan).readouts, naive);
}

TEST_F(DamagedPlanTest, NoticesAReadOfAnotherToken) {
  EXPECT_TRUE(
      Notices(kUnlimited, [](Plan& plan) { std::swap(plan.chunks[0].reads[2].token, plan.chunks[0].reads[4].token); }));
}

TEST_F(DamagedPlanTest, NoticesAReadThatIsMissingOrThereTwice) {
  EXPECT_TRUE(Notices(kUnlimited, [](Plan& plan) { plan.chunks[0].reads.pop_back(); }));
  EXPECT_TRUE(Notices(kUnlimited, [](Plan& plan) { plan.chunks[0].reads.push_back(plan.chunks[0].reads[0]); }));
}

TEST_F(DamagedPlanTest, NoticesBaselinesKeptOrReleasedAtTheWrongTime) {
  EXPECT_TRUE(Notices(6, [](Plan& plan) { plan.chunks.front().keeps_baselines = false; }));
  EXPECT_TRUE(Notices(6, [](Plan& plan) { plan.chunks.back().releases_baselines = false; }));
  EXPECT_TRUE(Notices(6, [](Plan& plan) { plan.chunks[1].releases_baselines = true; }));
}

}  // namespace
}  // namespace ablate::testing
