// What the server makes of the engine's rows beside passing them on: pairs of sites, sequences, positions. Likelihoods
// and effects have their own tests.
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/row_assembler.h"
#include "server/sequence.h"
#include "tests/server/ids_scan.h"
#include "tests/server/prepare_call.h"
#include "tests/server/row_map.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(PairsTest, InteractionIsWhatThePairDoesBeyondItsSites) {
  for (const FakeBlocks blocks : {FakeBlocks{}, FakeBlocks{.rows = 1, .backwards = true}, FakeBlocks{.rows = 4}}) {
    pb::AblateRequest request = IdsRequest();
    request.mutable_sweep()->mutable_pairs();
    request.mutable_readout()->set_all_positions(true);
    request.add_replacements()->mutable_zero();
    request.add_replacements()->mutable_scale()->set_factor(0.5);
    const ScanResult result = ResultOf(request, blocks);
    const auto rows = RowsOf(result);
    ASSERT_THAT(rows, SizeIs(3 * (1 + 2 * 21)));
    const auto variants = result.variants();
    int pairs = 0;
    for (const auto& [key, row] : rows) {
      if (key.variant < 0 || variants[static_cast<size_t>(key.variant)].sites_size() == 1) {
        EXPECT_EQ(row.at("interaction"), 0);
        continue;
      }
      // Every position that is read adds weight x weight once for each position that is edited before it.
      const pb::Variant& variant = variants[static_cast<size_t>(key.variant)];
      double product = key.position + 1;
      for (const pb::Site& site : variant.sites()) product *= FakeEngine::Weight({site.layer(), site.head()});
      EXPECT_EQ(row.at("interaction"), LogitDiff(product)) << variant.label() << " at " << key.position;
      EXPECT_NE(row.at("interaction"), 0);
      ++pairs;
    }
    EXPECT_EQ(pairs, 3 * 2 * 15);
  }
}

TEST(PairsTest, OtherSweepsHaveNoInteraction) {
  pb::AblateRequest request = IdsRequest();
  request.mutable_sweep()->mutable_layers();
  for (const auto& [key, row] : RowsOf(ResultOf(request))) EXPECT_FALSE(row.contains("interaction"));
}

TEST(PositionsTest, EachEditPositionIsARowOfItsOwn) {
  pb::AblateRequest request = IdsRequest();
  request.mutable_edit_positions()->set_each(true);
  request.mutable_readout()->set_all_positions(true);
  const ScanResult result = ResultOf(request, {.rows = 5, .backwards = true});
  const auto rows = RowsOf(result);
  ASSERT_THAT(rows, SizeIs(3 * (1 + 3 * 6)));
  for (const auto& [key, row] : rows) {
    ASSERT_TRUE(row.contains("edit_position"));
    if (key.variant < 0) {
      EXPECT_EQ(key.edit_position, -1);
      continue;
    }
    const double edited = Residual(kIds, {key.variant}, key.position, {key.edit_position, key.edit_position + 1});
    EXPECT_EQ(row.at("logit_diff"), LogitDiff(edited)) << key.variant << " " << key.edit_position;
  }
  EXPECT_THAT(result.prompts().at(0).edit_positions(), ElementsAre(0, 1, 2));
  EXPECT_THAT(result.prompts().at(0).read_positions(), ElementsAre(0, 1, 2));
}

// Sum of the log-probs of `answer`, each with the ones before it appended; `sites` are zeroed at the prompt's own
// positions.
double SequenceLogprob(const std::vector<int32_t>& answer, const std::vector<int>& sites) {
  std::vector<int32_t> ids = kIds;
  ids.insert(ids.end(), answer.begin(), answer.end() - 1);
  double sum = 0;
  for (size_t i = 0; i < answer.size(); ++i) {
    const auto position = static_cast<int32_t>(kIds.size() - 1 + i);
    sum += FakeEngine::Logprob(Residual(ids, sites, position, {0, static_cast<int32_t>(kIds.size())}), answer[i]);
  }
  return sum;
}

TEST(SequenceTest, RowsAreSumsOverTheAnswersTokens) {
  const std::vector<int32_t> target = {'a', 'b', 'c'}, contrast = {'d', 'e'};
  for (const FakeBlocks blocks : {FakeBlocks{}, FakeBlocks{.rows = 1, .backwards = true}, FakeBlocks{.rows = 2}}) {
    pb::AblateRequest request = IdsRequest();
    request.mutable_prompts(0)->mutable_targets(0)->set_text("abc");
    request.mutable_prompts(0)->mutable_contrasts(0)->set_text("de");
    request.mutable_readout()->set_target_mode(pb::TARGET_MODE_SEQUENCE);
    request.mutable_readout()->set_top_k(2);
    const ScanResult result = ResultOf(request, blocks);
    EXPECT_EQ(result.manifest().primary_metric(), "logit_diff");
    const auto rows = RowsOf(result);
    ASSERT_THAT(rows, SizeIs(7));
    const double base_target = SequenceLogprob(target, {}), base_contrast = SequenceLogprob(contrast, {});
    for (const auto& [key, row] : rows) {
      const std::vector<int> sites = key.variant < 0 ? std::vector<int>{} : std::vector<int>{key.variant};
      const double of_target = SequenceLogprob(target, sites), of_contrast = SequenceLogprob(contrast, sites);
      EXPECT_EQ(key.position, 2);
      EXPECT_EQ(row.at("target_logprob"), of_target);
      EXPECT_EQ(row.at("contrast_logprob"), of_contrast);
      EXPECT_EQ(row.at("logit_diff"), of_target - of_contrast);
      EXPECT_EQ(row.at("delta_target_logprob"), of_target - base_target);
      EXPECT_EQ(row.at("delta_logit_diff"), (of_target - base_target) - (of_contrast - base_contrast));
      EXPECT_EQ(row.at("target_prob"), std::exp(of_target));
      // exp and expm1 are right to a few units in the last place of numbers of at most 1.
      EXPECT_THAT(row.at("delta_target_prob"), DoubleNear(std::exp(of_target) - std::exp(base_target), 1e-15));
      EXPECT_THAT(row.at("delta_prob_diff"), DoubleNear((std::exp(of_target) - std::exp(of_contrast)) -
                                                            (std::exp(base_target) - std::exp(base_contrast)),
                                                        2e-15));
      // Of the target's first token.
      const double first = Residual(kIds, sites, 2);
      EXPECT_EQ(row.at("entropy"), std::abs(first) / 4096);
      EXPECT_EQ(row.at("kl_divergence"), FakeEngine::Kl(Residual(kIds, {}, 2), first));
      for (const char* column : {"target_logit", "contrast_logit", "delta_target_logit", "delta_contrast_logit"}) {
        EXPECT_FALSE(row.contains(column)) << column;
      }
    }
    for (const pb::RowBlock& block : result.row_blocks()) EXPECT_EQ(block.top_k_id_size(), 2 * block.variant_size());
    EXPECT_THAT(result.prompts().at(0).targets(), SizeIs(3));
    EXPECT_THAT(result.prompts().at(0).contrasts(), SizeIs(2));
  }
}

TEST(SequenceTest, WithoutAContrastTheTargetsSumIsTheMetric) {
  pb::AblateRequest request = IdsRequest();
  request.mutable_prompts(0)->mutable_targets(0)->set_text("abc");
  request.mutable_prompts(0)->clear_contrasts();
  request.mutable_readout()->set_target_mode(pb::TARGET_MODE_SEQUENCE);
  const ScanResult result = ResultOf(request);
  EXPECT_EQ(result.manifest().primary_metric(), "target_logprob");
  for (const auto& [key, row] : RowsOf(result)) {
    EXPECT_FALSE(row.contains("logit_diff"));
    EXPECT_FALSE(row.contains("contrast_logprob"));
  }
}

// 0 x inf once made NaN of what an edit takes from a likely sequence.
TEST(SequenceTest, AProbabilityThatVanishesHasAFiniteDelta) {
  SequenceJoin join(2, 0);
  ReadoutBlock rows;
  for (const auto& [position, base] : {std::pair(4, -0.25), std::pair(5, -0.5)}) {
    ReadoutBlock read;
    read.variant = {0};
    read.position = {position};
    read.target_logprob = {-1000};
    read.delta_target_logprob = {-1000 - base};
    join.Take(read, false, 4, rows);
  }
  EXPECT_THAT(rows.target_prob, ElementsAre(0));
  EXPECT_THAT(rows.delta_target_prob, ElementsAre(DoubleNear(-std::exp(-0.75), 1e-15)));
}

// An edit that is finite itself may make the model overflow: 3e38 once went out as NaN, with a token -1 as top-1.
TEST(AssemblyTest, WhatIsNotFiniteIsRefusedInTheNameOfItsReplacement) {
  const auto prepared = std::make_shared<const PreparedRequest>(
      MustPrepare(absl::StrCat(kPrompt, "replacements { zero {} } replacements { constant { scalar: 3e38 } }")));
  ReadoutBlock good;
  good.variant = {kBaselineVariant, 7};
  good.position = {1, 1};
  good.entropy = {0.5, 0.25};
  ReadoutBlock block = good;
  block.entropy[1] = std::numeric_limits<double>::quiet_NaN();
  const absl::Status edited = RowAssembler(prepared, false).Take(block, 0).status();
  EXPECT_EQ(edited.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(edited), "replacements[1]");
  EXPECT_THAT(std::string(edited.message()),
              HasSubstr("with it at L0H1, prompts[0] at position 1 gives nan as entropy"));
  block = good;
  block.compensation_mlps = {1, 2, 3, std::numeric_limits<double>::infinity()};
  EXPECT_THAT(std::string(RowAssembler(prepared, false).Take(block, 0).status().message()),
              HasSubstr("gives inf as compensation_mlps"));
  block = good;
  block.entropy[0] = -std::numeric_limits<double>::infinity();
  const absl::Status unedited = RowAssembler(prepared, false).Take(block, 0).status();
  EXPECT_EQ(unedited.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ReasonOf(unedited), "RESULT_NOT_FINITE");
  EXPECT_TRUE(RowAssembler(prepared, false).Take(good, 0).ok());
}

TEST(AssemblyTest, NoMessageExceedsWhatClientsTake) {
  TestServer server;
  server.Serve(1'000'000);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 32; ++i) ids.push_back(i);
  pb::AblateRequest request = IdsRequest(ids);
  request.mutable_sweep()->mutable_pairs();
  request.mutable_edit_positions()->set_each(true);
  request.mutable_readout()->set_all_positions(true);
  request.mutable_readout()->set_compensation(true);
  request.mutable_readout()->set_likelihood(true);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.rows(), 32 * (1 + 21 * 32));
  EXPECT_EQ(result.manifest().total_rows(), result.rows());
  for (const auto& response : result.responses) EXPECT_LE(response.ByteSizeLong(), size_t{300} << 10);
}

}  // namespace
}  // namespace ablate
