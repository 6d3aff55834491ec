// Preparation as a whole: when it is given up, what it costs, what comes of the request's fields.
#include "server/prepare.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/fake_engine.h"
#include "tests/server/prepare_call.h"
#include "tests/server/scan_call.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(PrepareTest, AsksBeforeEachPromptWhetherToGoOn) {
  const FakeEngine engine(std::make_shared<FakeDevice>());
  int asked = 0;
  const auto go_on = [&asked] {
    return ++asked == 11 ? absl::CancelledError("the client has left") : absl::OkStatus();
  };
  const auto prepared = Prepare(ManyPrompts(1000), {.engine = &engine, .limits = {}, .means = nullptr, .go_on = go_on});
  EXPECT_EQ(prepared.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 11);
}

TEST(PrepareTest, StopsAtTheFirstPromptThatIsTooMuch) {
  const FakeEngine engine(std::make_shared<FakeDevice>());
  int asked = 0;
  const auto go_on = [&asked] {
    ++asked;
    return absl::OkStatus();
  };
  const auto prepared =
      Prepare(ManyPrompts(1000), {.engine = &engine, .limits = {.tokens = 20}, .means = nullptr, .go_on = go_on});
  EXPECT_EQ(prepared.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(asked, 21);
}

TEST(PrepareTest, FillsDefaultsIn) {
  const PreparedRequest request = MustPrepare(kPrompt);
  EXPECT_THAT(request.variants, SizeIs(6));
  EXPECT_THAT(request.replacements, SizeIs(1));
  EXPECT_EQ(request.replacements[0].scale, 0.0F);
  EXPECT_EQ(request.replacements[0].first_entry, -1);
  EXPECT_EQ(request.table, nullptr);
  EXPECT_EQ(request.readout.min_denominator, 0.1);
  EXPECT_EQ(request.readout.primary, PrimaryMetric::kLogitDiff);
  EXPECT_FALSE(request.has_resample());
  ASSERT_THAT(request.prompts, SizeIs(1));
  EXPECT_THAT(request.prompts[0].token_ids, ElementsAre(257, 258));
  EXPECT_THAT(request.prompts[0].read_positions, ElementsAre(1));
  EXPECT_THAT(request.prompts[0].edit_positions, IsEmpty());
  EXPECT_EQ(request.total_rows(), 7);
}

TEST(PrepareTest, ACostIsThatOfEveryUnit) {
  // Tokens x (unedited runs + variants) x layers: prompts of 2 and 3 tokens, 6 variants, 2 layers; and a read a run.
  const auto reads = FakeEngine::ReadCost;
  const std::string three = "prompts { text: 'abc' corrupted_text: 'xyz' }";
  EXPECT_EQ(MustPrepare(absl::StrCat(kPair, three, kPair)).cost, (2 + 3 + 2) * 7 * 2 + 3 * reads(7));
  const PreparedRequest pairs =
      MustPrepare(absl::StrCat(kPair, three,
                               "replacements { zero {} } replacements { resample { direction: DIRECTION_NOISING } }"
                               "replacements { resample { direction: DIRECTION_DENOISING } }"));
  ASSERT_THAT(pairs.units, SizeIs(4));
  EXPECT_EQ(pairs.units[0].cost, 2 * (2 + 12) * 2 + reads(14));
  EXPECT_EQ(pairs.units[1].cost, 2 * (2 + 6) * 2 + reads(8));
  EXPECT_EQ(pairs.units[2].cost, 3 * (2 + 12) * 2 + reads(14));
  EXPECT_EQ(pairs.units[3].cost, 3 * (2 + 6) * 2 + reads(8));
  EXPECT_EQ(pairs.cost, 5 * (14 + 8) * 2 + 2 * (reads(14) + reads(8)));
}

TEST(PrepareTest, EqualLengthsWithUnequalSequencesCostUnequally) {
  const PreparedRequest request = MustPrepare(
      "readout { target_mode: TARGET_MODE_SEQUENCE }"
      "prompts { text: 'x' targets { text: 'abc' } contrasts { text: 'd' } } prompts { text: 'y' targets { text: 'ab' "
      "} }");
  ASSERT_THAT(request.units, SizeIs(3));
  EXPECT_EQ(request.units[0].cost, 3 * 7 * 2 + FakeEngine::ReadCost(3 * 7));
  EXPECT_EQ(request.units[1].cost, 1 * 7 * 2 + FakeEngine::ReadCost(7));
  EXPECT_EQ(request.units[2].cost, 2 * 7 * 2 + FakeEngine::ReadCost(2 * 7));
}

TEST(PrepareTest, ThePrimaryMetricIsWhatAllPromptsHave) {
  const auto primary = [](const std::string& text) { return MustPrepare(text).readout.primary; };
  const std::string target_only = "prompts { text: 'x' targets { id: 1 } }";
  EXPECT_EQ(primary(absl::StrCat(kPrompt, target_only)), PrimaryMetric::kTargetLogprob);
  EXPECT_EQ(primary(absl::StrCat(kPrompt, "prompts { text: 'x' }")), PrimaryMetric::kNone);
  EXPECT_EQ(primary("prompts { text: 'x' contrasts { id: 1 } }"), PrimaryMetric::kNone);
  EXPECT_EQ(primary(absl::StrCat(kPrompt, "readout { reduction: REDUCTION_PROB_SUM }")), PrimaryMetric::kProbDiff);
  EXPECT_EQ(primary(absl::StrCat(kPrompt, "readout { reduction: REDUCTION_LOGSUMEXP }")), PrimaryMetric::kLogitDiff);
  EXPECT_EQ(primary(target_only + "readout { reduction: REDUCTION_PROB_SUM }"), PrimaryMetric::kTargetLogprob);
}

TEST(PrepareTest, RowsAreCountedAsTheContractSays) {
  const std::string experiment =
      "replacements { scale { factor: 2 } } replacements { resample { direction: DIRECTION_NOISING } }"
      "edit_positions { each: true } readout { all_positions: true }";
  const PreparedRequest request =
      MustPrepare(absl::StrCat(kPair, "prompts { text: 'abc' corrupted_text: 'xyz' }", experiment));
  // Reads x (replacements x variants x edit positions + the clean and the corrupted run).
  EXPECT_EQ(request.rows_of(0), 2 * (2 * 6 * 2 + 2));
  EXPECT_EQ(request.rows_of(1), 3 * (2 * 6 * 3 + 2));
  EXPECT_EQ(request.total_rows(), request.rows_of(0) + request.rows_of(1));
}

TEST(PrepareTest, BosStandsInFrontOfBothOfAPair) {
  const PreparedRequest request = MustPrepare(absl::StrCat(kPair, "prepend_bos: true"));
  EXPECT_TRUE(request.prepend_bos);
  EXPECT_THAT(request.prompts[0].token_ids, ElementsAre(256, 257, 258));
  EXPECT_THAT(request.prompts[0].corrupted_ids, ElementsAre(256, 120, 120));
  EXPECT_THAT(request.prompts[0].read_positions, ElementsAre(2));
}

TEST(PrepareTest, AFirstTokenStandsForItsText) {
  const PreparedRequest request = MustPrepare(
      "readout { target_mode: TARGET_MODE_FIRST_TOKEN } prompts { text: 'x' targets { text: ' Germanyy' } contrasts { "
      "id: 3 } }");
  EXPECT_THAT(request.prompts[0].target_ids, ElementsAre(259));
  EXPECT_THAT(request.prompts[0].contrast_ids, ElementsAre(3));
  EXPECT_FALSE(request.readout.is_sequence);
}

TEST(PrepareTest, WhatOrdersIsCheckedInFullAndRunsLess) {
  const std::string text = absl::StrCat(
      kPair,
      "replacements { resample { direction: DIRECTION_DENOISING } } replacements { zero {} }"
      "edit_positions { each: true } readout { all_positions: true top_k: 3 likelihood: true compensation: true }");
  const PreparedRequest first = MustPrepare(text + "sweep { pairs { strongest: 2 } }");
  EXPECT_THAT(first.variants, SizeIs(6));
  EXPECT_THAT(first.replacements, SizeIs(1));
  EXPECT_THAT(first.prompts[0].read_positions, ElementsAre(1));
  ASSERT_THAT(first.units, SizeIs(1));
  EXPECT_TRUE(first.units[0].edits_corrupted);
  const Scan scan = first.MakeScan(0);
  EXPECT_EQ(scan.top_k, 0);
  EXPECT_FALSE(scan.effects);
  ASSERT_THAT(scan.variants, SizeIs(6));
  EXPECT_THAT(scan.variants[0].edits, SizeIs(1));
  EXPECT_EQ(scan.variants[0].edits[0].positions, (PositionRange{0, 2}));

  const PreparedRequest second = MustPrepare(text + "sweep { pairs { strongest: 2 } }",
                                             {.order = {{1, 2}, {0, 1}, {0, 0}, {0, 2}, {1, 0}, {1, 1}}});
  ASSERT_THAT(second.variants, SizeIs(3));
  EXPECT_THAT(second.variants[2].sites, ElementsAre(Site{0, 1}, Site{1, 2}));
  EXPECT_THAT(second.replacements, SizeIs(2));
  EXPECT_THAT(second.prompts[0].read_positions, ElementsAre(0, 1));
  EXPECT_THAT(second.units, SizeIs(4));
}

TEST(PrepareTest, AnOrderOfOtherSitesIsOurOwnMistake) {
  const auto prepared = PrepareText(absl::StrCat(kPrompt, "sweep { cumulative {} }"), {.order = {{0, 0}, {0, 1}}});
  EXPECT_EQ(prepared.status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace ablate
