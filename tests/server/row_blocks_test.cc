#include "server/row_blocks.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/fake_tokenizer.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Column number c of row r holds 100 c + r.
WireRows FullRows(int rows, int top_k) {
  WireRows full;
  ReadoutBlock& block = full.values;
  for (int r = 0; r < rows; ++r) {
    block.variant.push_back(r - 1);
    block.position.push_back(r + 10);
    double c = 0;
    for (auto* column : {&block.target_logit,      &block.contrast_logit,       &block.logit_diff,
                         &block.target_logprob,    &block.contrast_logprob,     &block.target_prob,
                         &block.prob_diff,         &block.delta_target_logit,   &block.delta_contrast_logit,
                         &block.delta_logit_diff,  &block.delta_target_logprob, &block.delta_contrast_logprob,
                         &block.delta_target_prob, &block.delta_prob_diff,      &block.kl_divergence,
                         &block.entropy,           &full.kl_to_clean,           &full.normalized,
                         &full.interaction,        &block.direct_contribution,  &block.direct_effect,
                         &block.direct_effect_live}) {
      column->push_back(100 * c++ + r);
    }
    full.replacement.push_back(r % 2);
    full.edit_position.push_back(r + 3);
    block.target_rank.push_back(r + 1);
    block.target_is_top1.push_back(r % 2);
    block.top1_id.push_back(r % 200);
    block.top1_preserved.push_back((r + 1) % 2);
    for (int k = 0; k < top_k; ++k) {
      block.top_k_id.push_back((r + k) % 256);
      block.top_k_logprob.push_back(-r - k);
    }
  }
  return full;
}

constexpr RowFormat kAllColumns = {.has_replacement = true, .has_edit_position = true};

TEST(RowBlocksTest, EveryColumnLandsInItsField) {
  const auto blocks = MakeRowBlocks(FullRows(2, 2), 5, kAllColumns, FakeTokenizer());
  ASSERT_EQ(blocks.size(), 1U);
  const auto& block = blocks.front();
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
  EXPECT_THAT(block.kl_to_clean(), ElementsAre(1600, 1601));
  EXPECT_THAT(block.normalized(), ElementsAre(1700, 1701));
  EXPECT_THAT(block.interaction(), ElementsAre(1800, 1801));
  EXPECT_THAT(block.replacement(), ElementsAre(0, 1));
  EXPECT_THAT(block.edit_position(), ElementsAre(3, 4));
  EXPECT_THAT(block.target_rank(), ElementsAre(1, 2));
  EXPECT_THAT(block.target_is_top1(), ElementsAre(false, true));
  EXPECT_THAT(block.top1_id(), ElementsAre(0, 1));
  EXPECT_THAT(block.top1_preserved(), ElementsAre(true, false));
  EXPECT_THAT(block.top_k_id(), ElementsAre(0, 1, 1, 2));
  EXPECT_THAT(block.top_k_logprob(), ElementsAre(0, -1, -1, -2));
}

TEST(RowBlocksTest, LargeBlocksAreSplitBelowTheClientsLimit) {
  constexpr int kRows = 1200, kTopK = 100;
  const auto blocks = MakeRowBlocks(FullRows(kRows, kTopK), 0, kAllColumns, FakeTokenizer());
  int row = 0;
  for (const auto& block : blocks) {
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

TEST(RowBlocksTest, RowBytesIsAnUpperBound) {
  for (const int top_k : {0, 1, 100}) {
    WireRows rows = FullRows(7, top_k);
    // Negative int32 are the longest.
    rows.replacement.assign(7, -1);
    rows.edit_position.assign(7, -1);
    rows.values.variant.assign(7, -2);
    const auto blocks = MakeRowBlocks(rows, 100'000, kAllColumns, FakeTokenizer());
    EXPECT_LE(blocks.front().ByteSizeLong(), static_cast<size_t>(7 * RowBytes(top_k))) << top_k;
  }
}

// The edit's numbers stand in its own row only, whatever the engine says of an unedited run.
TEST(RowBlocksTest, EffectsAreMadeOfTotalAndDirect) {
  const auto blocks = MakeRowBlocks(FullRows(2, 0), 0, kAllColumns, FakeTokenizer());
  const auto& block = blocks.front();
  EXPECT_THAT(block.direct_contribution(), ElementsAre(0, 1901));
  EXPECT_THAT(block.direct_effect(), ElementsAre(0, 2001));
  EXPECT_THAT(block.direct_effect_live(), ElementsAre(0, 2101));
  EXPECT_THAT(block.total_effect(), ElementsAre(0, 901));
  EXPECT_THAT(block.indirect_effect(), ElementsAre(0, 901 - 2001));
  EXPECT_THAT(block.self_repair(), ElementsAre(0, 901 - 2001));
}

TEST(RowBlocksTest, WhatARequestHasNoUseForIsAbsent) {
  WireRows rows = FullRows(2, 0);
  for (auto* column : {&rows.kl_to_clean, &rows.normalized, &rows.interaction, &rows.values.direct_contribution,
                       &rows.values.direct_effect, &rows.values.direct_effect_live}) {
    column->clear();
  }
  const auto blocks = MakeRowBlocks(rows, 0, {}, FakeTokenizer());
  const auto& block = blocks.front();
  EXPECT_THAT(block.replacement(), IsEmpty());
  EXPECT_THAT(block.edit_position(), IsEmpty());
  EXPECT_THAT(block.kl_to_clean(), IsEmpty());
  EXPECT_THAT(block.normalized(), IsEmpty());
  EXPECT_THAT(block.interaction(), IsEmpty());
  EXPECT_THAT(block.total_effect(), IsEmpty());
  EXPECT_THAT(block.self_repair(), IsEmpty());
}

TEST(RowBlocksTest, NoRowsAreNoMessage) {
  EXPECT_THAT(MakeRowBlocks(WireRows(), 0, kAllColumns, FakeTokenizer()), IsEmpty());
}

TEST(WireRowsTest, ColumnsOfUnequalLengthAreAnError) {
  ReadoutBlock block = FullRows(3, 2).values;
  EXPECT_TRUE(CheckColumns(block, {.n_layers = 2, .n_heads = 3}).ok());
  block.entropy.pop_back();
  EXPECT_THAT(std::string(CheckColumns(block, {}).message()), HasSubstr("column entropy has 2 entries, expected 3"));
  block = FullRows(3, 2).values;
  block.top_k_logprob.pop_back();
  EXPECT_THAT(std::string(CheckColumns(block, {}).message()), HasSubstr("column top_k_logprob has 5 entries"));
  block = FullRows(3, 0).values;
  block.compensation_mlps.resize(5);
  EXPECT_THAT(std::string(CheckColumns(block, {.n_layers = 2, .n_heads = 3}).message()),
              HasSubstr("column compensation_mlps has 5 entries, expected 6"));
  block = FullRows(3, 0).values;
  block.position.clear();
  EXPECT_THAT(std::string(CheckColumns(block, {}).message()), HasSubstr("column position is missing"));
}

TEST(WireRowsTest, EveryColumnIsAppended) {
  const WireRows from = FullRows(5, 3);
  WireRows to;
  for (const size_t row : {4, 0, 2}) AppendRow(from, row, to);
  ASSERT_EQ(to.size(), 3U);
  const auto blocks = MakeRowBlocks(to, 0, kAllColumns, FakeTokenizer());
  const auto whole = MakeRowBlocks(from, 0, kAllColumns, FakeTokenizer());
  // Columns of as many numbers as rows, by the contract's own description.
  const auto* reflection = ablation::v1::RowBlock::GetReflection();
  const auto* description = ablation::v1::RowBlock::GetDescriptor();
  int columns = 0;
  for (int f = 0; f < description->field_count(); ++f) {
    const auto* field = description->field(f);
    if (field->cpp_type() != field->CPPTYPE_DOUBLE || reflection->FieldSize(blocks[0], field) != 3) continue;
    ++columns;
    EXPECT_EQ(reflection->GetRepeatedDouble(blocks[0], field, 0), reflection->GetRepeatedDouble(whole[0], field, 4));
    EXPECT_EQ(reflection->GetRepeatedDouble(blocks[0], field, 2), reflection->GetRepeatedDouble(whole[0], field, 2));
  }
  EXPECT_EQ(columns, 25);
  EXPECT_THAT(blocks[0].top_k_id(), ElementsAre(4, 5, 6, 0, 1, 2, 2, 3, 4));
}

}  // namespace
}  // namespace ablate
