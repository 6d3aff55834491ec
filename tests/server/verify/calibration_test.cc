#include "server/verify/calibration.h"

#include <algorithm>
#include <map>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/verify/noisy_engine.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;

std::vector<CalibrationCase> Make(const NoisyEngine& engine) {
  auto cases = MakeCalibration(engine);
  EXPECT_TRUE(cases.ok()) << cases.status();
  return *std::move(cases);
}

NoisyOptions Small() {
  return {.n_layers = 12, .n_heads = 12, .n_positions = 1024, .noise = {}, .copies = {}, .status = {}};
}

TEST(CalibrationTest, LengthsGoAsFarAsTheModel) {
  EXPECT_THAT(CalibrationLengths(1024), ElementsAre(8, 32, 128, 512, 1024));
  EXPECT_THAT(CalibrationLengths(128), ElementsAre(8, 32, 128));
  EXPECT_THAT(CalibrationLengths(130), ElementsAre(8, 32, 128, 130));
  EXPECT_THAT(CalibrationLengths(8), ElementsAre(8));
  EXPECT_THAT(CalibrationLengths(3), ElementsAre(3));
}

TEST(CalibrationTest, EveryScanIsValidAndHasADonor) {
  for (const int32_t n_positions : {1, 3, 8, 20, 128}) {
    const NoisyEngine engine(
        {.n_layers = 2, .n_heads = 1, .n_positions = n_positions, .noise = {}, .copies = {}, .status = {}});
    for (const CalibrationCase& made : Make(engine)) {
      EXPECT_TRUE(engine.Validate(made.scan).ok()) << engine.Validate(made.scan);
      EXPECT_EQ(made.scan.donor_token_ids.size(), made.scan.token_ids.size());
      EXPECT_EQ(made.scan.read_positions.back() + 1, static_cast<int32_t>(made.scan.token_ids.size()));
      for (const Variant& variant : made.scan.variants) {
        for (const Edit& edit : variant.edits) EXPECT_LT(edit.entry, made.scan.table->n_entries());
      }
    }
  }
}

TEST(CalibrationTest, IsTheSameEveryTime) {
  const NoisyEngine engine(Small());
  const auto first = Make(engine), second = Make(engine);
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].scan.token_ids, second[i].scan.token_ids);
    EXPECT_EQ(first[i].scan.variants, second[i].scan.variants);
    EXPECT_EQ(first[i].scan.table->values, second[i].scan.table->values);
  }
}

TEST(CalibrationTest, EveryLengthHasSeveralPromptsAndThousandsOfRows) {
  std::map<size_t, std::set<std::vector<int32_t>>> prompts;
  std::map<size_t, size_t> rows;
  for (const CalibrationCase& made : Make(NoisyEngine(Small()))) {
    const size_t length = made.scan.token_ids.size();
    prompts[length].insert(made.scan.token_ids);
    prompts[length].insert(made.scan.donor_token_ids);
    rows[length] += made.scan.variants.size() * made.scan.read_positions.size();
  }
  for (const auto& [length, different] : prompts) EXPECT_GE(different.size(), 4U) << length;
  for (const auto& [length, n] : rows) EXPECT_GE(n, 2500U) << length;
}

// So that nearly 1 in 1,000 may lie above the floor of any column, small models get more prompts.
TEST(CalibrationTest, SmallModelsGetMorePrompts) {
  std::map<size_t, int> cases;
  for (const CalibrationCase& made : Make(NoisyEngine({.noise = {}, .copies = {}, .status = {}}))) {
    ++cases[made.scan.token_ids.size()];
  }
  for (const auto& [length, n] : cases) EXPECT_GE(n, 12) << length;
}

TEST(CalibrationTest, EveryReplacementAtEveryLengthAndSomeOfTheWholePrompt) {
  struct Seen {
    bool zero = false, half = false, twice = false, donor = false, folded = false;
    std::set<int32_t> shared_entries;
    int whole = 0;
  };
  std::map<size_t, Seen> lengths;
  for (const CalibrationCase& made : Make(NoisyEngine(Small()))) {
    Seen& seen = lengths[made.scan.token_ids.size()];
    for (const Variant& variant : made.scan.variants) {
      const Edit& edit = variant.edits[0];
      seen.zero |= edit.scale == 0 && edit.entry < 0;
      seen.half |= edit.scale == 0.5F;
      seen.twice |= edit.scale == 2;
      seen.donor |= edit.from_donor && edit.scale == 1;
      seen.folded |= edit.entry >= 2;
      if (edit.entry == 0 || edit.entry == 1) seen.shared_entries.insert(edit.entry);
      if (edit.positions.begin == 0) ++seen.whole;
    }
  }
  ASSERT_EQ(lengths.size(), 5U);
  for (const auto& [length, seen] : lengths) {
    EXPECT_TRUE(seen.zero && seen.half && seen.twice && seen.donor && seen.folded) << length;
    EXPECT_EQ(seen.shared_entries.size(), 2U) << length;
    EXPECT_GE(seen.whole, 8) << length;
  }
}

TEST(CalibrationTest, TheSweepZeroesEachHeadOnce) {
  for (const CalibrationCase& made : Make(NoisyEngine(Small()))) {
    std::set<Site> sites;
    for (const int32_t variant : made.sweep) {
      const std::vector<Edit>& edits = made.scan.variants[variant].edits;
      ASSERT_EQ(edits.size(), 1U);
      EXPECT_EQ(edits[0].scale, 0);
      EXPECT_LT(edits[0].entry, 0);
      sites.insert(edits[0].site);
    }
    EXPECT_EQ(sites.size(), 144U);
  }
}

TEST(CalibrationTest, PairsAreOfTheSweepsHeads) {
  for (const CalibrationCase& made : Make(NoisyEngine(Small()))) {
    EXPECT_EQ(made.pairs.size(), 48U);
    for (const CalibrationPair& pair : made.pairs) {
      const auto& variants = made.scan.variants;
      EXPECT_THAT(variants[pair.both].edits,
                  ElementsAre(variants[pair.first].edits[0], variants[pair.second].edits[0]));
    }
  }
}

TEST(CalibrationTest, LargeModelsAreSampledInEveryLayer) {
  NoisyOptions options = Small();
  options.n_layers = 48;
  options.n_heads = 25;
  std::set<Site> all;
  for (const CalibrationCase& made : Make(NoisyEngine(options))) {
    EXPECT_EQ(made.sweep.size(), 144U);
    std::set<int32_t> layers;
    for (const int32_t variant : made.sweep) {
      layers.insert(made.scan.variants[variant].edits[0].site.layer);
      all.insert(made.scan.variants[variant].edits[0].site);
    }
    EXPECT_EQ(layers.size(), 48U);
  }
  EXPECT_GT(all.size(), 300U) << "cases take the same sites";
}

// The float64 run of GPT-2 Small must stay a matter of a minute or two: a packed token's layer is 14 MFLOP.
TEST(CalibrationTest, CostIsBounded) {
  const NoisyEngine engine(Small());
  int64_t cost = 0;
  for (const CalibrationCase& made : Make(engine)) cost += engine.Cost(made.scan).value();
  EXPECT_LT(cost, 400'000);
}

TEST(ChooseAnswersTest, TopTokensAndOthersByTurns) {
  const std::vector<std::vector<int32_t>> top = {{7, 8, 9}, {5, 6, 7}, {3, 4, 5}, {1, 2, 3}};
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<Answers> answers = ChooseAnswers(top, 11, seed);
    ASSERT_EQ(answers.size(), 4U);
    for (size_t i = 0; i < answers.size(); ++i) {
      ASSERT_EQ(answers[i].targets.size(), 1U);
      ASSERT_EQ(answers[i].contrasts.size(), 1U);
      const int32_t target = answers[i].targets[0], contrast = answers[i].contrasts[0];
      EXPECT_NE(target, contrast);
      for (const int32_t id : {target, contrast}) EXPECT_TRUE(id >= 0 && id < 11) << id;
    }
    EXPECT_EQ(answers[(3 - seed % 3) % 3].targets[0], top[(3 - seed % 3) % 3][0]);
    EXPECT_EQ(answers[(3 - seed % 3) % 3].contrasts[0], top[(3 - seed % 3) % 3][1]);
  }
}

TEST(ChooseAnswersTest, TwoTokensAreEnough) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (const Answers& answers : ChooseAnswers({{{1, 0}, {0, 1}, {1}}}, 2, seed)) {
      EXPECT_NE(answers.targets[0], answers.contrasts[0]);
    }
  }
}

}  // namespace
}  // namespace ablate
