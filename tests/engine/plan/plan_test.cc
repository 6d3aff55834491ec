#include "engine/plan/plan.h"

#include <algorithm>
#include <limits>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/plan/batches.h"

namespace ablate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

Batch OnePrompt(int32_t n_layers, int32_t n_tokens, std::vector<Variant> variants, std::vector<int32_t> reads) {
  return {.n_layers = n_layers,
          .prompts = {{.n_tokens = n_tokens, .variants = std::move(variants), .read_positions = std::move(reads)}}};
}

std::vector<int32_t> TokensOf(const Chunk& chunk, int32_t variant) {
  std::vector<int32_t> tokens;
  for (const ReadPoint& read : chunk.reads) {
    if (read.variant == variant) tokens.push_back(read.token);
  }
  return tokens;
}

TEST(PlanTest, AnEmptyBatchHasNoChunk) {
  const Plan plan = Batch{.n_layers = 2, .prompts = {}}.MakePlan(10);
  EXPECT_THAT(plan.chunks, IsEmpty());
  EXPECT_EQ(plan.cost, 0);
}

TEST(PlanTest, ABaselineAloneIsOneRowToItsLastReadPosition) {
  const Plan plan = OnePrompt(3, 8, {}, {2, 5}).MakePlan(kUnlimited);
  ASSERT_THAT(plan.chunks, SizeIs(1));
  EXPECT_EQ(plan.cost, 6 + 6 + 2);
  EXPECT_EQ(plan.rows_in, 3);
  EXPECT_EQ(plan.rows_out, 3);
  EXPECT_THAT(plan.chunks[0].layers[2].source_token, ElementsAre(2, 5));
  EXPECT_THAT(plan.chunks[0].layers[2].position, ElementsAre(2, 5));
}

TEST(PlanTest, AllHeadsHaveTheRowsOfTheDesign) {
  const Plan plan = OnePrompt(12, 5, Singles(), {4}).MakePlan(kUnlimited);
  ASSERT_THAT(plan.chunks, SizeIs(1));
  EXPECT_EQ(plan.rows_in, 804);
  EXPECT_EQ(plan.rows_out, 948);
  for (int32_t layer = 0; layer < 12; ++layer) {
    EXPECT_THAT(plan.chunks[0].layers[layer].rows, SizeIs(1 + 12 * layer));
    EXPECT_THAT(plan.chunks[0].layers[layer].row_edit_begin, SizeIs(1 + 12 * (layer + 1) + 1));
  }
  // All positions go on up to the last layer, which only the read one leaves.
  EXPECT_EQ(plan.cost, (948 - 145) * 5 + 145);
}

// Leaving layer l: the baseline, the singles so far, the pairs so far.
TEST(PlanTest, AllPairsWithTheirSinglesHaveTheirClosedForm) {
  std::vector<Variant> variants = Pairs();
  ASSERT_EQ(variants.size(), 10296);
  const std::vector<Variant> singles = Singles();
  variants.insert(variants.end(), singles.begin(), singles.end());
  const Plan plan = OnePrompt(12, 1, variants, {0}).MakePlan(kUnlimited);
  int64_t rows_out = 0;
  for (int64_t heads = 12; heads <= 144; heads += 12) rows_out += 1 + heads + heads * (heads - 1) / 2;
  EXPECT_EQ(plan.rows_out, rows_out);
  EXPECT_EQ(rows_out, 47280);
  EXPECT_EQ(plan.rows_in, rows_out - (1 + 144 + 10296) + 1);
  // Pairs alone pass through the same rows, but no single leaves the last layer.
  EXPECT_EQ(OnePrompt(12, 1, Pairs(), {0}).MakePlan(kUnlimited).rows_out, rows_out - 144);
}

TEST(PlanTest, EditsAtTheLastPositionCostOneTokenALayer) {
  std::vector<Variant> variants = Singles();
  for (Variant& variant : variants) variant.edits[0].positions = {99, 100};
  const Plan plan = OnePrompt(12, 100, variants, {99}).MakePlan(kUnlimited);
  const int64_t variant_rows = 948 - 12;
  EXPECT_EQ(plan.cost, variant_rows + 11 * 100 + 1);
}

TEST(PlanTest, AChildThatBeginsEarlierTakesThePositionsBetweenFromTheBaseline) {
  const Plan plan = OnePrompt(2, 4, {{{Zero(0, 0, {3, 4}), Zero(1, 0, {1, 2})}}}, {0, 1, 2, 3}).MakePlan(kUnlimited);
  const LayerPlan& last = plan.chunks[0].layers[1];
  ASSERT_THAT(last.rows, SizeIs(2));
  EXPECT_EQ(last.rows[1].begin, 3);
  EXPECT_EQ(last.rows[1].baseline, 0);
  EXPECT_THAT(last.source_token, ElementsAre(0, 1, 2, 3, 1, 2, 4));
  EXPECT_THAT(last.position, ElementsAre(0, 1, 2, 3, 1, 2, 3));
  // Position 0 is the baseline's.
  EXPECT_THAT(TokensOf(plan.chunks[0], 0), ElementsAre(0, 4, 5, 6));
}

TEST(PlanTest, EqualVariantsShareRowsAndTokens) {
  const Plan one = OnePrompt(3, 4, {{{Zero(1, 0)}}}, {3}).MakePlan(kUnlimited);
  const Plan three =
      OnePrompt(3, 4, {{{Zero(1, 0)}}, {{Zero(1, 0, {0, 4})}}, {{Zero(1, 0)}}}, {3}).MakePlan(kUnlimited);
  EXPECT_EQ(three.cost, one.cost);
  EXPECT_EQ(TokensOf(three.chunks[0], 0), TokensOf(three.chunks[0], 1));
  EXPECT_EQ(TokensOf(three.chunks[0], 0), TokensOf(three.chunks[0], 2));
}

// Zero and minus zero, and a scale one bit away, are different edits: a row's bits depend on its own variant only.
TEST(PlanTest, OnlyEditsThatDoTheSameShareRows) {
  Edit minus_zero = Zero(0, 0);
  minus_zero.scale = -0.0F;
  Edit entry = Zero(0, 0);
  entry.entry = 0;
  const Plan plan = OnePrompt(1, 1, {{{Zero(0, 0)}}, {{minus_zero}}, {{entry}}}, {0}).MakePlan(kUnlimited);
  EXPECT_EQ(plan.rows_out, 1 + 3);
}

TEST(PlanTest, VariantsWithoutAnEditThatMattersReadTheBaseline) {
  const Plan plan = OnePrompt(2, 6,
                              {{},
                               {{Zero(0, 0, {4, 6})}},                       // behind the last read position
                               {{Zero(1, 0, {0, 1})}},                       // last layer, not read
                               {{Zero(1, 0, {2, 3}), Zero(1, 1, {4, 5})}}},  // likewise
                              {1, 3})
                        .MakePlan(kUnlimited);
  EXPECT_EQ(plan.cost, 4 + 2);
  for (int32_t variant = -1; variant < 4; ++variant) {
    EXPECT_THAT(TokensOf(plan.chunks[0], variant), ElementsAre(0, 1));
  }
}

// Distinct restrictions and their tokens, counted the slow way.
struct NaiveCount {
  int64_t rows_in = 0, rows_out = 0, tokens_out = 0;
};

NaiveCount CountNaively(const Batch& batch) {
  NaiveCount count;
  for (const TestPrompt& prompt : batch.prompts) {
    const int32_t end = prompt.read_positions.back() + 1;
    for (int32_t layers = 0; layers <= batch.n_layers; ++layers) {
      const auto is_read = [&](const Edit& edit, int32_t position) {
        return edit.site.layer < batch.n_layers - 1 ||
               std::count(prompt.read_positions.begin(), prompt.read_positions.end(), position) == 1;
      };
      // As what each position undergoes: (position, layer, head, scale, entry, its stride, from the donor, start of the
      // edit's part that matters).
      using Touch = std::tuple<int32_t, int32_t, int32_t, float, int32_t, int32_t, bool, int32_t>;
      std::set<std::set<Touch>> rows = {{}};
      for (const Variant& variant : prompt.variants) {
        std::set<Touch> touches;
        for (const Edit& edit : variant.edits) {
          if (edit.site.layer >= layers) continue;
          int32_t start = -1;
          for (int32_t p = edit.positions.begin; p < std::min(edit.positions.end, end); ++p) {
            if (!is_read(edit, p)) continue;
            if (start < 0) start = p;
            touches.insert({p, edit.site.layer, edit.site.head, edit.scale, edit.entry, edit.entry_stride,
                            edit.from_donor, start});
          }
        }
        rows.insert(touches);
      }
      // The donor is a row of its own, whole like the baseline.
      const auto n_rows = static_cast<int64_t>(rows.size()) + (prompt.has_donor ? 1 : 0);
      if (layers < batch.n_layers) count.rows_in += n_rows;
      if (layers == 0) continue;
      count.rows_out += n_rows;
      if (prompt.has_donor) {
        count.tokens_out += layers < batch.n_layers ? end : static_cast<int64_t>(prompt.read_positions.size());
      }
      for (const std::set<Touch>& row : rows) {
        const int32_t begin = row.empty() ? 0 : std::get<0>(*row.begin());
        count.tokens_out += layers < batch.n_layers ? end - begin
                                                    : std::count_if(
                                                          prompt.read_positions.begin(), prompt.read_positions.end(),
                                                          [&](int32_t read) { return read >= begin; });
      }
    }
  }
  return count;
}

TEST(PlanTest, HasExactlyTheDistinctRestrictions) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    const Batch batch = RandomBatch(random);
    const Plan plan = batch.MakePlan(kUnlimited);
    ASSERT_THAT(plan.chunks, SizeIs(1));
    const NaiveCount count = CountNaively(batch);
    ASSERT_EQ(plan.rows_in, count.rows_in) << "batch " << i;
    ASSERT_EQ(plan.rows_out, count.rows_out) << "batch " << i;
    ASSERT_EQ(plan.cost, count.tokens_out) << "batch " << i;
  }
}

}  // namespace
}  // namespace ablate::testing
