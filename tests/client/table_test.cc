// The table as it stands in a file or a pipe.
#include "client/cpp/cli/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "client/cpp/cli/row_order.h"
#include "tests/client/fixtures.h"

namespace ablate::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Shape {
  bool has_target = true;
  bool has_summary = false;
};

// But for lines that name things of any length: the sweep, and the token that takes the place of the most probable one.
std::vector<std::string> WiderThan(size_t width, const std::string& shown) {
  std::vector<std::string> wide = absl::StrSplit(shown, '\n');
  std::erase_if(wide, [width](const std::string& line) {
    return line.size() <= width || absl::StartsWith(line, "sweep ") || absl::EndsWith(line, "(changed)");
  });
  return wide;
}

// The table of all of a manifest's rows, the last one first.
std::string Shown(const client::ScanManifest& manifest, const TableOptions& options, const Shape& shape = {},
                  absl::Status* begin = nullptr) {
  const std::string path = ::testing::TempDir() + "/table";
  {
    auto output = Output::ToFile(path);
    TableWriter writer(output->get(), options);
    const auto status = writer.Begin(std::make_shared<const client::ScanManifest>(manifest));
    if (begin != nullptr) *begin = status;
    if (!status.ok()) return "";
    const auto& readout = manifest.head.readout();
    RowOrder order(manifest, {.likelihood = readout.likelihood(), .compensation = readout.compensation()},
                   [&](const PromptResult& whole) { return writer.Prompt(whole); });
    auto rows = testing::AllRows(manifest);
    std::reverse(rows.begin(), rows.end());
    const auto block =
        std::make_shared<const Block>(testing::MakeBlock(manifest, rows, readout.top_k(), shape.has_target));
    EXPECT_TRUE(writer.Arrived(*block).ok());
    for (int p = 0; p < manifest.n_prompts(); ++p) {
      if (readout.likelihood()) {
        EXPECT_TRUE(
            order.Take(std::make_shared<const ablation::v1::LikelihoodBlock>(testing::MakeLikelihood(manifest, p)))
                .ok());
      }
      if (readout.compensation()) {
        EXPECT_TRUE(
            order.Take(std::make_shared<const ablation::v1::CompensationBlock>(testing::MakeCompensation(manifest, p)))
                .ok());
      }
    }
    EXPECT_TRUE(order.Take(block).ok());
    if (shape.has_summary) {
      EXPECT_TRUE(writer.Statistics({testing::MakeSummaryHead(manifest), {testing::MakeSummary(manifest)}}).ok());
    }
    ablation::v1::Completion completion;
    completion.set_rows(manifest.head.total_rows());
    completion.mutable_timing()->set_total_ns(1'500'000'000);
    completion.mutable_timing()->set_forward_passes(1);
    completion.mutable_timing()->set_plan_ns(1'000'000);
    EXPECT_TRUE(writer.End(completion).ok());
    EXPECT_TRUE((*output)->Commit().ok());
  }
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(TableTest, OnePromptGolden) {
  auto manifest = testing::MakeManifest();
  manifest.prompts[0].add_warnings("the prompt ends in a space");
  EXPECT_EQ(Shown(manifest, {.color = Color::kNone, .focus_layer = 1}),
            R"(model     tiny: 2 layers x 2 heads | cpu (test) | float32 | ablated 0.1.0
tokens    2: 'Berlin' ' is'
warning   the prompt ends in a space

delta_target_logprob, one head at a time -> zero
change of log p(' Germany'), nats; negative: the head helps it
        H0    H1
L0   -0.10  0.25
L1   -1.50  0.05

target    ' Germany'  log p -0.1000 (p 0.9048), rank 0
contrast  ' France'  log p -1.6000 (p 0.2019), logit difference +1.5000
top-1     ' Germany'

Strongest heads
  head    log p target log p contrast logit diff      KL rank  top-1
  L1H0         -1.5000        +0.7500    -1.5000  2.2500    1  ' "France", so' (changed)
  L0H1         +0.2500        -0.1250    +0.2500  0.0625    0  ' Germany'
  L0H0         -0.1000        +0.0500    -0.1000  0.0100    0  ' Germany'
  L1H1         +0.0500        -0.0250    +0.0500  0.0025    0  ' Germany'

Layer 1, each head ablated alone: the change of
        log p(' Germany')             log p(' France')
  L1H0   -1.5000 #########|            +0.7500          |#####
  L1H1   +0.0500          |            -0.0250          |

3 of 4 ablations keep the top-1 token ' Germany'
5 rows in 1.500 s (waited 0.000 s, forward 0.000 s in 1 pass)
plan 0.001 s, readout 0.000 s (of forward)
)");
}

TEST(TableTest, WithoutATargetItShowsKl) {
  auto manifest = testing::MakeManifest();
  testing::DropTarget(&manifest.prompts[0]);
  manifest.head.clear_primary_metric();
  const std::string shown = Shown(manifest, {.color = Color::kNone, .focus_layer = 0}, {.has_target = false});
  EXPECT_THAT(shown, HasSubstr("kl_divergence, one head at a time"));
  EXPECT_THAT(shown, HasSubstr("L1    2.25  0.00"));
  EXPECT_THAT(shown, HasSubstr("KL(baseline || ablated)"));
  EXPECT_THAT(shown, Not(HasSubstr("contrast  '")));
}

TEST(TableTest, ManyPromptsGetALineEachAndTheMeanMap) {
  const std::string shown = Shown(testing::MakeManifest(2), {});
  EXPECT_THAT(shown, HasSubstr("   0  'Berlin is'"));
  EXPECT_THAT(shown, HasSubstr("   1  'Berlin is'"));
  EXPECT_THAT(shown, HasSubstr("L1H0       -3.0000  3/4"));
  EXPECT_THAT(shown, HasSubstr("Mean delta_target_logprob"));
  EXPECT_THAT(shown, HasSubstr("L1   -2.25  0.08"));  // the mean of -1.5 and -3; of 0.05 and 0.1
}

TEST(TableTest, AFocusLayerThatWasNotScannedIsRefused) {
  absl::Status status;
  Shown(testing::MakeManifest(), {.color = Color::kNone, .focus_layer = 2}, {}, &status);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("layers 0 to 1"));
}

TEST(TableTest, TablesFitEightyColumns) {
  auto manifest = testing::MakeManifest();
  testing::AddReplacements(&manifest);
  manifest.head.mutable_readout()->set_likelihood(true);
  manifest.head.mutable_readout()->set_compensation(true);
  EXPECT_THAT(WiderThan(80, Shown(manifest, {.width = 80}, {.has_summary = true})), IsEmpty());
  EXPECT_THAT(WiderThan(80, Shown(testing::MakeManifest(3), {.width = 80})), IsEmpty());
}

TEST(TableTest, AWideTerminalShowsMoreOfThePrompts) {
  auto manifest = testing::MakeManifest(2);
  manifest.prompts[0].mutable_tokens(1)->set_text(" the capital of Germany");
  EXPECT_THAT(Shown(manifest, {.width = 80}), HasSubstr("0  'Berlin the...  "));
  EXPECT_THAT(Shown(manifest, {.width = 120}), HasSubstr("0  'Berlin the capital of Germany'  "));
}

TEST(TableTest, TheMostProbableTokensAreShownWhereAskedFor) {
  auto manifest = testing::MakeManifest();
  manifest.head.mutable_readout()->set_top_k(2);
  EXPECT_THAT(Shown(manifest, {}), HasSubstr("top-2     ' Germany' 0.6065, "));
}

TEST(TableTest, AFileGetsNoEscapes) {
  EXPECT_THAT(Shown(testing::MakeManifest(), {}), Not(HasSubstr("\x1b")));
}

TEST(TableTest, EveryReplacementHasItsMapAndItsStrongest) {
  auto manifest = testing::MakeManifest();
  testing::AddReplacements(&manifest);
  const std::string shown = Shown(manifest, {});
  EXPECT_THAT(shown, HasSubstr("sweep     4 heads -> zero, scale(0.5), resample(noising) | edited at all positions"));
  EXPECT_THAT(shown, HasSubstr("one head at a time -> zero\n"));
  EXPECT_THAT(shown, HasSubstr("one head at a time -> scale\n"));
  EXPECT_THAT(shown, HasSubstr("L1   -0.75  0.03"));
  EXPECT_THAT(shown, HasSubstr("Strongest heads -> resample"));
  EXPECT_THAT(shown, HasSubstr("corrupted top-1 ' Germany', logit difference -0.5000"));
  EXPECT_THAT(shown, HasSubstr("9 of 12 ablations keep the top-1 token of the run that they edit"));
}

TEST(TableTest, OnlyTheLastReadPositionIsShown) {
  auto manifest = testing::MakeManifest();
  manifest.prompts[0].clear_read_positions();
  manifest.prompts[0].add_read_positions(0);
  manifest.prompts[0].add_read_positions(1);
  testing::Recount(&manifest);
  const std::string shown = Shown(manifest, {});
  EXPECT_THAT(shown, HasSubstr("read at the last of 2 positions, 1"));
  EXPECT_THAT(shown, HasSubstr("3 of 4 ablations keep"));
}

TEST(TableTest, LikelihoodAndCompensation) {
  auto manifest = testing::MakeManifest();
  manifest.head.mutable_readout()->set_likelihood(true);
  manifest.head.mutable_readout()->set_compensation(true);
  const std::string shown = Shown(manifest, {});
  EXPECT_THAT(shown, HasSubstr("  baseline    3.0000       20.09   +0.0000\n"
                               "  L1H0        1.5000        4.48   -1.5000\n"));
  // Of L1H0, the strongest: 3 x (1 + 2 + 3 + 4).
  EXPECT_THAT(shown, HasSubstr("  L1H0    heads +30.0000, MLPs +0.0000, LayerNorm +0.2500\n"
                               "          most: L1H1 +12.0000, L1H0 +9.0000, L0H1 +6.0000, L0H0 +3.0000\n"));
}

TEST(TableTest, StatisticsAreExplained) {
  auto manifest = testing::MakeManifest(2);
  testing::AddReplacements(&manifest);
  const std::string shown = Shown(manifest, {}, {.has_summary = true});
  EXPECT_THAT(shown, HasSubstr("Statistics of delta_logit_diff over 24 prompts, each on its own"));
  EXPECT_THAT(shown, HasSubstr("L1H0 zero      -1.5000  -1.7500 .. -1.2500   0.0312  0.0625  75 %  50 %\n"));
  EXPECT_THAT(shown, HasSubstr(" f s\n"));
  EXPECT_THAT(shown, HasSubstr("f: under the numeric floor"));
  EXPECT_THAT(shown, HasSubstr("s: chosen on the very prompts"));
  EXPECT_THAT(shown, HasSubstr("(2000 resamples, seed 7)"));
  EXPECT_THAT(shown, HasSubstr("Spearman) of zero and scale: 0.500"));
  EXPECT_THAT(shown, Not(HasSubstr("faithfulness")));
}

TEST(TableTest, AFirstSweepsChoiceIsShown) {
  auto manifest = testing::MakeManifest();
  auto* selection = manifest.head.mutable_selection();
  selection->add_sites()->set_head(1);
  selection->add_mean_delta(-2.5);
  EXPECT_THAT(Shown(manifest, {}), HasSubstr("chosen    by a heads sweep: L0H1 (-2.5000)"));
  selection->add_prompt_index(0);
  EXPECT_THAT(Shown(manifest, {}), HasSubstr("over 1 of the prompts, which are not estimated on"));
}

// The mean over prompts 0 and 2 of -1.5 x (1 + prompt), and of what the pair's heads do alone.
TEST(TableTest, MeansLeaveOutThePromptsThatChose) {
  auto manifest = testing::MakeManifest(3);
  EXPECT_THAT(Shown(manifest, {}), Not(HasSubstr("estimated on")));
  manifest.head.mutable_selection()->add_prompt_index(1);
  manifest.head.mutable_selection()->add_sites();
  const std::string note = "over the 2 prompts estimated on, without those that chose\n";
  EXPECT_THAT(Shown(manifest, {}), HasSubstr(note + "        H0    H1\nL0   -0.20  0.50\nL1   -3.00  0.10\n"));
  testing::SetVariants({{{0, 0}}, {{0, 1}}, {{0, 0}, {0, 1}}}, &manifest);
  manifest.head.mutable_sweep()->mutable_pairs();
  const std::string pairs = Shown(manifest, {});
  EXPECT_THAT(pairs, HasSubstr(note + "\nStrongest pairs\n"));
  EXPECT_THAT(pairs, HasSubstr("  L0H0+L0H1          -3.0000    -0.2000    +0.5000     +0.2500  0 %\n"));
  manifest.head.mutable_selection()->add_prompt_index(0);
  EXPECT_THAT(Shown(manifest, {}), HasSubstr("over the 1 prompt estimated on"));
}

TEST(TableTest, EffectsOfSeveralPromptsAreMeans) {
  auto manifest = testing::MakeManifest(2);
  manifest.head.mutable_readout()->set_effects(true);
  EXPECT_THAT(Shown(manifest, {}),
              HasSubstr("Effects on the logit difference, means over 2 prompts\n"
                        "  head    contribution     direct direct (live)   indirect      total\n"
                        "  L1H0         +0.5000    -1.6875       -1.1250    -0.5625    -2.2500\n"
                        "  L0H1         +0.5000    +0.2812       +0.1875    +0.0938    +0.3750\n"));
  EXPECT_THAT(WiderThan(80, Shown(manifest, {.width = 80})), IsEmpty());
  testing::AddReplacements(&manifest);
  testing::SweepPositions(&manifest);
  const std::string shown = Shown(manifest, {});
  EXPECT_THAT(shown, HasSubstr("Effects on the logit difference -> scale, means over 2 prompts\n"));
  EXPECT_THAT(shown, HasSubstr("\n  L1H0@1       +0.5000    -0.8438       -0.5625    -0.2812    -1.1250\n"));
  EXPECT_THAT(shown, HasSubstr("\n\nEffects on the logit difference -> resample, means"));
}

TEST(TableTest, EffectsOfOnePromptAreItsOwn) {
  auto manifest = testing::MakeManifest();
  manifest.head.mutable_readout()->set_effects(true);
  EXPECT_THAT(Shown(manifest, {}), HasSubstr("Effects on the logit difference\n"));
  EXPECT_THAT(Shown(manifest, {}),
              HasSubstr("  L1H0         +0.5000    -1.1250       -0.7500    -0.3750    -1.5000\n"));
}

TEST(TableTest, WhatSeveralPromptsDoNotShowIsSaid) {
  auto manifest = testing::MakeManifest(2);
  EXPECT_THAT(Shown(manifest, {}), Not(HasSubstr("likelihoods and compensations")));
  manifest.head.mutable_readout()->set_likelihood(true);
  EXPECT_THAT(Shown(manifest, {}),
              HasSubstr("likelihoods and compensations of several prompts: --format jsonl or csv"));
}

}  // namespace
}  // namespace ablate::cli
