// The figures, line for line.
#include "client/cpp/cli/figure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "client/cpp/cli/block_rows.h"
#include "tests/client/fixtures.h"

namespace ablate::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Drawn(const client::ScanManifest& manifest, const std::vector<testing::RowId>& rows,
                               int32_t replacement = 0) {
  const auto shared = std::make_shared<const client::ScanManifest>(manifest);
  const Legend legend(shared);
  VariantMeans means(shared, replacement, ChooseMetrics(manifest));
  const auto block = std::make_shared<const Block>(testing::MakeBlock(manifest, rows));
  for (int i = 0; i < block->columns().variant_size(); ++i) means.Add({block, i});
  return DrawFigure(legend, means, Color::kNone);
}

std::vector<std::string> Drawn(const client::ScanManifest& manifest) {
  return Drawn(manifest, testing::AllRows(manifest));
}

TEST(HeadsTest, IsAMapOfLayersByHeads) {
  EXPECT_THAT(Drawn(testing::MakeManifest()),
              ElementsAre("delta_target_logprob, one head at a time -> zero",
                          "change of log p(' Germany'), nats; negative: the head helps it", "        H0    H1",
                          "L0   -0.10  0.25", "L1   -1.50  0.05"));
}

TEST(HeadsTest, ASequenceIsNamedAsOneText) {
  auto manifest = testing::MakeManifest();
  manifest.prompts[0].add_targets()->set_text(" is");
  EXPECT_EQ(Drawn(manifest)[1], "change of log p(2 targets), nats; negative: the head helps it");
  manifest.head.mutable_readout()->set_target_mode(ablation::v1::TARGET_MODE_SEQUENCE);
  EXPECT_EQ(Drawn(manifest)[1], "change of log p(' Germany is'), nats; negative: the head helps it");
}

TEST(HeadsTest, ShowsOnlyTheScannedSitesAndWhatHasCome) {
  auto manifest = testing::MakeManifest();
  testing::SetVariants({{{0, 1}}, {{1, 1}}}, &manifest);
  const auto lines = Drawn(manifest, {{0, 1}});
  EXPECT_EQ(lines[2], "        H1");
  EXPECT_EQ(lines[3], "L0       .");
  EXPECT_EQ(lines[4], "L1    0.25");
}

TEST(HeadsTest, OfManyPromptsItIsTheMean) {
  EXPECT_EQ(Drawn(testing::MakeManifest(2))[4], "L1   -2.25  0.08");  // of -1.5 and -3; of 0.05 and 0.1
}

// As in summaries. The deltas of L1H0 are -1.5, -3, -4.5.
TEST(HeadsTest, TemplatesWeighAlike) {
  auto manifest = testing::MakeManifest(3);
  for (auto& prompt : manifest.prompts) prompt.set_template_("all alike");
  EXPECT_EQ(Drawn(manifest)[0], "Mean delta_target_logprob, one head at a time -> zero");
  EXPECT_THAT(Drawn(manifest)[4], HasSubstr("-3.00"));
  manifest.prompts[2].set_template_("another");
  EXPECT_EQ(Drawn(manifest)[0], "Mean delta_target_logprob, one head at a time -> zero, templates weighing alike");
  EXPECT_THAT(Drawn(manifest)[4], HasSubstr("-3.38")) << "the mean of -2.25 and -4.5";
  manifest.prompts[2].clear_template_();
  EXPECT_THAT(Drawn(manifest)[4], HasSubstr("-3.38")) << "one without is one of its own";
  manifest.head.mutable_selection()->add_prompt_index(0);
  EXPECT_THAT(Drawn(manifest).back(), HasSubstr("-3.75")) << "who chose counts nowhere";
}

TEST(BarsTest, LayersAreBars) {
  auto manifest = testing::MakeManifest();
  manifest.head.mutable_sweep()->mutable_layers();
  testing::SetVariants({{{0, 0}, {0, 1}}, {{1, 0}, {1, 1}}, {{0, 0}}}, &manifest);
  manifest.variants[0].set_label("L0H*");
  manifest.variants[1].set_name("late");
  EXPECT_THAT(Drawn(manifest),
              ElementsAre("delta_target_logprob, one layer at a time -> zero", HasSubstr("nats"),
                          "  L0H*   -0.1000                    #|                      top-1 kept 100 %",
                          "  late   +0.2500                     |###                   top-1 kept 100 %",
                          "  L0H0   -1.5000 ####################|                      top-1 kept   0 %"));
}

TEST(PairsTest, ShowsThePairsBesideTheirHeads) {
  auto manifest = testing::MakeManifest();
  manifest.head.mutable_sweep()->mutable_pairs();
  testing::SetVariants({{{0, 0}}, {{0, 1}}, {{0, 0}, {0, 1}}, {{0, 0}, {1, 1}}}, &manifest);
  const auto lines = Drawn(manifest);
  EXPECT_THAT(
      lines,
      ElementsAre("delta_logit_diff, one and two heads at a time -> zero",
                  "change of the logit difference, ' Germany' minus ' France'; negative: the heads help it", "",
                  "Strongest pairs", "  pair                  both      first     second interaction  top-1 kept",
                  "  L0H0+L0H1          -1.5000    -0.1000    +0.2500     +0.2500  0 %",
                  "  L0H0+L1H1          +0.0500    -0.1000          -     +0.3750  100 %", "", "Strongest interactions",
                  "  pair                  both      first     second interaction  top-1 kept",
                  "  L0H0+L1H1          +0.0500    -0.1000          -     +0.3750  100 %",
                  "  L0H0+L0H1          -1.5000    -0.1000    +0.2500     +0.2500  0 %",
                  "interaction: what both do beyond the sum of each; 0: they act on their own"));
}

TEST(CumulativeTest, IsACurveWithTheFall) {
  auto manifest = testing::MakeManifest();
  manifest.head.mutable_sweep()->mutable_cumulative();
  testing::SetVariants({{{1, 0}}, {{0, 1}, {1, 0}}, {{0, 0}, {0, 1}, {1, 0}}}, &manifest);
  const auto lines = Drawn(manifest);
  // Levels 1.5 (unedited), 1.4, 1.75, 0.
  ASSERT_EQ(lines.size(), 17U);
  EXPECT_EQ(lines[2], "below: logit_diff over the number of heads edited; # top-1 kept, . lost");
  EXPECT_EQ(lines[3], "   1.7500 |  *");
  EXPECT_EQ(lines[4], "          |*");
  EXPECT_EQ(lines[5], "          | *");
  EXPECT_EQ(lines[12], "   0.0000 |   *");
  EXPECT_EQ(lines[13], "top-1     |###.");
  EXPECT_EQ(lines[14], "    heads  0  3");
  EXPECT_EQ(lines[15], "The top-1 token falls with 3 heads, the last of them L0H0");
  EXPECT_EQ(lines[16], "order     L1H0 L0H1 L0H0");
}

TEST(CumulativeTest, SaysWhereNothingFalls) {
  auto manifest = testing::MakeManifest();
  manifest.head.mutable_sweep()->mutable_cumulative();
  testing::SetVariants({{{1, 0}}, {{0, 1}, {1, 0}}}, &manifest);
  EXPECT_EQ(Drawn(manifest)[15], "The top-1 token stays through all 2 steps");
  EXPECT_THAT(Drawn(manifest, {{0, 0}})[2], HasSubstr("has not come yet"));
}

TEST(AllButTest, ComparesKeptSetsWithRandomOnes) {
  auto manifest = testing::MakeManifest();
  manifest.head.mutable_sweep()->mutable_all_but();
  // Levels: 1.5 unedited; 1.4 where nothing is kept; 1.75 movers; 0 and 1.55 random.
  testing::SetVariants({{{0, 0}, {1, 1}}, {{0, 1}}, {{1, 0}}, {{1, 1}}}, &manifest);
  manifest.variants[1].set_name("movers");
  for (int v = 1; v < 4; ++v) {
    manifest.variants[v].set_group(0);
    manifest.variants[v].set_is_random(v > 1);
  }
  manifest.head.mutable_readout()->set_min_denominator(0.05);
  EXPECT_THAT(
      Drawn(manifest),
      ElementsAre("delta_logit_diff, all heads but a set -> zero", HasSubstr("logit difference"),
                  "  kept                             logit_diff  faithfulness  top-1 kept  random sets of its "
                  "size",
                  "  everything (unedited)               +1.5000         1.000       100 %",
                  "  nothing                             +1.4000         0.000       100 %",
                  "  movers                              +1.7500         3.500       100 %  mean -6.250; 0 of 2 "
                  "as large",
                  "faithfulness: (kept - nothing) / (everything - nothing); 1: the kept heads are enough"));
  manifest.head.mutable_readout()->set_min_denominator(0.2);
  const auto refused = Drawn(manifest);
  EXPECT_THAT(refused.back(), HasSubstr("less than 0.2 apart"));
  // Nothing is compared with what is not given.
  EXPECT_EQ(refused[5], "  movers                              +1.7500             -       100 %");
  const Legend legend(std::make_shared<const client::ScanManifest>(manifest));
  EXPECT_EQ(legend.VariantTitle(0), "nothing");
  EXPECT_EQ(legend.VariantTitle(2), manifest.variants[2].label());
}

TEST(PositionsTest, IsAMapOfLayersByPositions) {
  auto manifest = testing::MakeManifest();
  testing::SweepPositions(&manifest);
  EXPECT_THAT(Drawn(manifest),
              ElementsAre("delta_target_logprob, one head at a time, one position at a time -> zero", HasSubstr("nats"),
                          "of each layer the strongest head; across: the position that is edited", "         0     1",
                          "L0    0.25  0.25", "L1   -1.50 -1.50", "0:'Berlin' 1:' is'"));
}

TEST(PositionsTest, PromptsOfUnequalLengthAreAlignedAtTheirEnds) {
  auto manifest = testing::MakeManifest(2);
  testing::SweepPositions(&manifest);
  *manifest.prompts[1].add_tokens() = manifest.prompts[1].tokens(0);
  manifest.prompts[1].add_edit_positions(2);
  testing::Recount(&manifest);
  const auto lines = Drawn(manifest);
  EXPECT_EQ(lines[3], "        -3    -2    -1");
  EXPECT_EQ(lines[5], "L1   -3.00 -2.25 -2.25");  // the second prompt's alone, then the means
  EXPECT_THAT(lines.back(), HasSubstr("count from the end"));
}

TEST(FigureTest, OtherReplacementsRowsAreNotItsOwn) {
  auto manifest = testing::MakeManifest();
  testing::AddReplacements(&manifest);
  const auto lines = Drawn(manifest, testing::AllRows(manifest), 1);
  EXPECT_EQ(lines[0], "delta_target_logprob, one head at a time -> scale");
  EXPECT_EQ(lines[3], "L0   -0.05  0.12");
}

}  // namespace
}  // namespace ablate::cli
