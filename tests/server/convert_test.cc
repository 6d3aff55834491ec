#include "server/convert.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/fake_tokenizer.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Column number c of row r holds 100 c + r.
ReadoutBlock FullBlock(int rows, int top_k) {
  ReadoutBlock block;
  for (int r = 0; r < rows; ++r) {
    block.variant.push_back(r - 1);
    block.position.push_back(r + 10);
    double c = 0;
    for (auto* column :
         {&block.target_logit, &block.contrast_logit, &block.logit_diff, &block.target_logprob, &block.contrast_logprob,
          &block.target_prob, &block.prob_diff, &block.delta_target_logit, &block.delta_contrast_logit,
          &block.delta_logit_diff, &block.delta_target_logprob, &block.delta_contrast_logprob, &block.delta_target_prob,
          &block.delta_prob_diff, &block.kl_divergence, &block.entropy}) {
      column->push_back(100 * c++ + r);
    }
    block.target_rank.push_back(r + 1);
    block.target_is_top1.push_back(r % 2);
    block.top1_id.push_back(r % 200);
    block.top1_preserved.push_back((r + 1) % 2);
    for (int k = 0; k < top_k; ++k) {
      block.top_k_id.push_back((r + k) % 256);
      block.top_k_logprob.push_back(-r - k);
    }
  }
  return block;
}

TEST(ConvertTest, EveryColumnLandsInItsField) {
  const auto blocks = MakeRowBlocks(FullBlock(2, 2), 5, FakeTokenizer());
  ASSERT_TRUE(blocks.ok()) << blocks.status();
  ASSERT_EQ(blocks->size(), 1U);
  const auto& block = blocks->front();
  EXPECT_THAT(block.prompt_index(), ElementsAre(5, 5));
  EXPECT_THAT(block.variant(), ElementsAre(-1, 0));
  EXPECT_THAT(block.position(), ElementsAre(10, 11));
  EXPECT_THAT(block.target_logit(), ElementsAre(0, 1));
  EXPECT_THAT(block.contrast_logit(), ElementsAre(100, 101));
  EXPECT_THAT(block.logit_diff(), ElementsAre(200, 201));
  EXPECT_THAT(block.target_logprob(), ElementsAre(300, 301));
  EXPECT_THAT(block.contrast_logprob(), ElementsAre(400, 401));
  EXPECT_THAT(block.target_prob(), ElementsAre(500, 501));
  EXPECT_THAT(block.prob_diff(), ElementsAre(600, 601));
  EXPECT_THAT(block.delta_target_logit(), ElementsAre(700, 701));
  EXPECT_THAT(block.delta_contrast_logit(), ElementsAre(800, 801));
  EXPECT_THAT(block.delta_logit_diff(), ElementsAre(900, 901));
  EXPECT_THAT(block.delta_target_logprob(), ElementsAre(1000, 1001));
  EXPECT_THAT(block.delta_contrast_logprob(), ElementsAre(1100, 1101));
  EXPECT_THAT(block.delta_target_prob(), ElementsAre(1200, 1201));
  EXPECT_THAT(block.delta_prob_diff(), ElementsAre(1300, 1301));
  EXPECT_THAT(block.kl_divergence(), ElementsAre(1400, 1401));
  EXPECT_THAT(block.entropy(), ElementsAre(1500, 1501));
  EXPECT_THAT(block.target_rank(), ElementsAre(1, 2));
  EXPECT_THAT(block.target_is_top1(), ElementsAre(false, true));
  EXPECT_THAT(block.top1_id(), ElementsAre(0, 1));
  EXPECT_THAT(block.top1_preserved(), ElementsAre(true, false));
  EXPECT_THAT(block.top_k_id(), ElementsAre(0, 1, 1, 2));
  EXPECT_THAT(block.top_k_logprob(), ElementsAre(0, -1, -1, -2));
}

TEST(ConvertTest, LargeBlocksAreSplitBelowTheClientsLimit) {
  constexpr int kRows = 1200, kTopK = 100;
  const auto blocks = MakeRowBlocks(FullBlock(kRows, kTopK), 0, FakeTokenizer());
  ASSERT_TRUE(blocks.ok()) << blocks.status();
  int row = 0;
  for (const auto& block : *blocks) {
    EXPECT_LE(block.ByteSizeLong(), 256U * 1024);
    ASSERT_EQ(block.top_k_id_size(), block.variant_size() * kTopK);
    for (int i = 0; i < block.variant_size(); ++i, ++row) {
      EXPECT_EQ(block.variant(i), row - 1);
      EXPECT_EQ(block.entropy(i), 1500 + row);
      EXPECT_EQ(block.top_k_id(i * kTopK), row % 256);
    }
  }
  EXPECT_EQ(row, kRows);
}

TEST(ConvertTest, RowBytesIsAnUpperBound) {
  for (const int top_k : {0, 1, 100}) {
    const auto blocks = MakeRowBlocks(FullBlock(7, top_k), 100'000, FakeTokenizer());
    ASSERT_TRUE(blocks.ok());
    EXPECT_LE(blocks->front().ByteSizeLong(), static_cast<size_t>(7 * RowBytes(top_k))) << top_k;
  }
}

TEST(ConvertTest, ColumnsOfUnequalLengthAreAnError) {
  ReadoutBlock block = FullBlock(3, 0);
  block.entropy.pop_back();
  const auto blocks = MakeRowBlocks(block, 0, FakeTokenizer());
  ASSERT_FALSE(blocks.ok());
  EXPECT_THAT(std::string(blocks.status().message()), HasSubstr("column entropy has 2 entries, expected 3"));
}

}  // namespace
}  // namespace ablate
