// Effects and compensation on the wire: what they are made of, and that unedited runs have none.
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/ids_scan.h"
#include "tests/server/row_map.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::SizeIs;

TEST(EffectsTest, TotalIndirectAndWhatCompensates) {
  for (const FakeBlocks blocks : {FakeBlocks{}, FakeBlocks{.rows = 1, .backwards = true}}) {
    pb::AblateRequest request = IdsRequest();
    request.mutable_readout()->set_compensation(true);
    const ScanResult result = ResultOf(request, blocks);
    const auto rows = RowsOf(result);
    ASSERT_THAT(rows, SizeIs(7));
    for (const auto& [key, row] : rows) {
      const double total = row.at("delta_logit_diff");
      EXPECT_EQ(row.at("direct_contribution"), key.variant < 0 ? 0 : 4);
      EXPECT_EQ(row.at("direct_effect"), total / 2);
      EXPECT_EQ(row.at("direct_effect_live"), 0.75 * total);
      EXPECT_EQ(row.at("total_effect"), total);
      EXPECT_EQ(row.at("indirect_effect"), total / 2);
      EXPECT_EQ(row.at("self_repair"), total / 2);
    }
    std::map<int, double> layer_norm;
    for (const auto& response : result.responses) {
      const pb::CompensationBlock& block = response.compensation_block();
      ASSERT_EQ(block.heads_size(), 6 * block.variant_size());
      ASSERT_EQ(block.mlps_size(), 2 * block.variant_size());
      for (int i = 0; i < block.variant_size(); ++i) {
        EXPECT_TRUE(layer_norm.emplace(block.variant(i), block.layer_norm(i)).second);
        EXPECT_EQ(block.replacement(i), 0);
        EXPECT_EQ(block.edit_position(i), -1);
        EXPECT_EQ(block.position(i), 2);
        for (int h = 0; h < 6; ++h) EXPECT_EQ(block.heads(6 * i + h), h);
        EXPECT_EQ(block.mlps(2 * i + 1), -1);
      }
    }
    EXPECT_THAT(layer_norm, SizeIs(6));
    for (const auto& [variant, value] : layer_norm) {
      EXPECT_EQ(value, rows.at({.variant = variant, .position = 2}).at("delta_logit_diff") / 4);
    }
  }
}

// The corrupted run is no edit: it has a delta, and no effect.
TEST(EffectsTest, UneditedRunsHaveNone) {
  pb::AblateRequest request = IdsRequest();
  for (const int32_t id : {7, 8, 9}) request.mutable_prompts(0)->mutable_corrupted_token_ids()->add_ids(id);
  request.add_replacements()->mutable_resample()->set_direction(pb::DIRECTION_NOISING);
  request.mutable_readout()->set_effects(true);
  const auto rows = RowsOf(ResultOf(request));
  const RowColumns& corrupted = rows.at(CorruptedRow(0, 2));
  EXPECT_NE(corrupted.at("delta_logit_diff"), 0);
  for (const char* column : {"direct_contribution", "direct_effect", "direct_effect_live", "total_effect",
                             "indirect_effect", "self_repair"}) {
    EXPECT_EQ(corrupted.at(column), 0) << column;
  }
}

}  // namespace
}  // namespace ablate
