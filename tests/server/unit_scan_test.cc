// The scans that come of a request: tokens, edits, reads and answers, by hand.
#include "server/unit_scan.h"

#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/prepare_call.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kOneHead[] = "sweep { heads {} filter { sites: 'L1H2' } }";
constexpr char kNoising[] = "replacements { resample { direction: DIRECTION_NOISING } }";
constexpr char kDenoising[] = "replacements { resample { direction: DIRECTION_DENOISING } }";

// (edits_corrupted, appends_contrast, is_likelihood) of each unit.
std::vector<std::tuple<bool, bool, bool>> Kinds(const PreparedRequest& request) {
  std::vector<std::tuple<bool, bool, bool>> kinds;
  for (const ScanUnit& unit : request.units) {
    kinds.emplace_back(unit.edits_corrupted, unit.appends_contrast, unit.is_likelihood);
  }
  return kinds;
}

std::vector<std::tuple<int32_t, int32_t, int32_t>> Described(const PreparedRequest& request, size_t unit) {
  std::vector<std::tuple<int32_t, int32_t, int32_t>> all;
  const auto n_variants = static_cast<int32_t>(request.MakeScan(unit).variants.size());
  for (int32_t v = 0; v < n_variants; ++v) {
    const UnitVariant is = request.DescribeVariant(unit, v);
    all.emplace_back(is.replacement, is.variant, is.edit_position);
  }
  return all;
}

TEST(UnitScanTest, AnEditForEachSiteAndRange) {
  const PreparedRequest request = MustPrepare(
      "prompts { text: 'abcde' } sweep { groups { groups { sites: ['L1H0', 'L0H2'] } } }"
      "edit_positions { positions { positions: [0, 1, -1] } } replacements { scale { factor: -0.5 } }");
  const Scan scan = request.MakeScan(0);
  ASSERT_THAT(scan.variants, SizeIs(1));
  EXPECT_THAT(scan.variants[0].edits, ElementsAre(Edit{.site = {0, 2}, .positions = {0, 2}, .scale = -0.5F},
                                                  Edit{.site = {0, 2}, .positions = {4, 5}, .scale = -0.5F},
                                                  Edit{.site = {1, 0}, .positions = {0, 2}, .scale = -0.5F},
                                                  Edit{.site = {1, 0}, .positions = {4, 5}, .scale = -0.5F}));
  EXPECT_THAT(scan.answers, IsEmpty());
  EXPECT_EQ(scan.table, nullptr);
}

TEST(UnitScanTest, EveryReplacementAndEditPositionRunsEveryVariant) {
  const PreparedRequest request = MustPrepare(
      "prompts { text: 'abcd' } sweep { layers {} } edit_positions { each: true positions { positions: [3, 1] } }"
      "replacements { zero {} } replacements { scale { factor: 2 } }");
  const Scan scan = request.MakeScan(0);
  EXPECT_THAT(Described(request, 0),
              ElementsAre(FieldsAre(0, 0, 1), FieldsAre(0, 1, 1), FieldsAre(0, 0, 3), FieldsAre(0, 1, 3),
                          FieldsAre(1, 0, 1), FieldsAre(1, 1, 1), FieldsAre(1, 0, 3), FieldsAre(1, 1, 3)));
  for (size_t v = 0; v < scan.variants.size(); ++v) {
    const UnitVariant is = request.DescribeVariant(0, static_cast<int32_t>(v));
    ASSERT_THAT(scan.variants[v].edits, SizeIs(3));
    for (const Edit& edit : scan.variants[v].edits) {
      EXPECT_EQ(edit.site.layer, is.variant);
      EXPECT_EQ(edit.scale, is.replacement == 0 ? 0.0F : 2.0F);
      EXPECT_EQ(edit.positions, (PositionRange{is.edit_position, is.edit_position + 1}));
    }
  }
}

TEST(UnitScanTest, EntriesPointAtTheReplacementsValues) {
  const PreparedRequest request = MustPrepare(
      absl::StrCat(kPrompt, kOneHead,
                   "replacements { constant { scalar: 1.5 } } replacements { zero_keep_value_bias {} }"
                   "replacements { constant { vector { values: [1, 2, 3, 4] } } } replacements { zero {} }"));
  const Scan scan = request.MakeScan(0);
  ASSERT_NE(scan.table, nullptr);
  EXPECT_EQ(scan.table->d_head, 4);
  EXPECT_EQ(scan.table->n_entries(), 1 + 6 + 1);
  const auto entry = [&scan](size_t variant) {
    const Edit& edit = scan.variants.at(variant).edits.at(0);
    EXPECT_EQ(edit.scale, 0.0F);
    EXPECT_EQ(edit.entry_stride, 0);
    const auto first = scan.table->values.begin() + edit.entry * 4;
    return std::vector<double>(first, first + 4);
  };
  EXPECT_THAT(entry(0), ElementsAre(1.5, 1.5, 1.5, 1.5));
  // FakeEngine's is i / 4 at element i; the site is the last of six.
  EXPECT_THAT(entry(1), ElementsAre(5, 5.25, 5.5, 5.75));
  EXPECT_THAT(entry(2), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(scan.variants[3].edits[0].entry, -1);
}

TEST(UnitScanTest, NoisingEditsTheCleanRunAndDenoisingTheCorruptedOne) {
  const PreparedRequest request =
      MustPrepare(absl::StrCat(kPair, kOneHead, "replacements { zero {} }", kDenoising, kNoising));
  EXPECT_TRUE(request.has_resample());
  EXPECT_THAT(Kinds(request), ElementsAre(FieldsAre(false, false, false), FieldsAre(true, false, false)));

  const Scan clean = request.MakeScan(0);
  EXPECT_THAT(clean.token_ids, ElementsAre(257, 258));
  EXPECT_THAT(clean.donor_token_ids, ElementsAre(120, 120));
  EXPECT_THAT(Described(request, 0), ElementsAre(FieldsAre(0, 0, -1), FieldsAre(2, 0, -1)));
  EXPECT_THAT(clean.variants[0].edits, ElementsAre(Edit{.site = {1, 2}, .positions = {0, 2}, .scale = 0.0F}));
  EXPECT_THAT(clean.variants[1].edits,
              ElementsAre(Edit{.site = {1, 2}, .positions = {0, 2}, .scale = 1.0F, .from_donor = true}));
  EXPECT_EQ(request.DescribeVariant(0, kBaselineVariant).variant, kBaselineVariant);
  EXPECT_EQ(request.DescribeVariant(0, kDonorVariant).variant, kDonorVariant);

  const Scan corrupted = request.MakeScan(1);
  EXPECT_THAT(corrupted.token_ids, ElementsAre(120, 120));
  EXPECT_THAT(corrupted.donor_token_ids, ElementsAre(257, 258));
  EXPECT_THAT(Described(request, 1), ElementsAre(FieldsAre(1, 0, -1)));
  EXPECT_TRUE(corrupted.variants[0].edits[0].from_donor);
  EXPECT_EQ(request.DescribeVariant(1, kBaselineVariant).variant, kDonorVariant);
  EXPECT_EQ(request.DescribeVariant(1, kDonorVariant).variant, kBaselineVariant);
  EXPECT_EQ(request.DescribeVariant(1, kDonorVariant).replacement, -1);
}

TEST(UnitScanTest, DenoisingAloneNeedsNoOtherUnit) {
  const PreparedRequest request = MustPrepare(absl::StrCat(kPair, kOneHead, kDenoising));
  EXPECT_THAT(Kinds(request), ElementsAre(FieldsAre(true, false, false)));
}

// Both unedited runs stand beside every unit's rows, which may be compared with either.
TEST(UnitScanTest, TheOtherRunIsReadThoughNoEditOfTheUnitTakesItsValues) {
  const PreparedRequest request = MustPrepare(absl::StrCat(kPair, kOneHead, "replacements { zero {} }", kDenoising));
  ASSERT_THAT(Kinds(request), ElementsAre(FieldsAre(false, false, false), FieldsAre(true, false, false)));
  EXPECT_THAT(request.MakeScan(0).donor_token_ids, ElementsAre(120, 120));
}

TEST(UnitScanTest, APairIsNotRunUnlessAReplacementTakesValuesOfIt) {
  EXPECT_THAT(MustPrepare(kPair).MakeScan(0).donor_token_ids, IsEmpty());
}

TEST(UnitScanTest, AnswerSetsAreReadWithTheReduction) {
  const PreparedRequest request = MustPrepare(
      "prompts { text: 'abc' targets { id: 5 } targets { id: 3 } contrasts { id: 9 } } prompts { text: 'x' targets { "
      "id: 1 } }"
      "readout { reduction: REDUCTION_PROB_SUM positions { positions: -1 } top_k: 2 }");
  const Scan sets = request.MakeScan(0);
  ASSERT_THAT(sets.answers, SizeIs(1));
  EXPECT_THAT(sets.answers[0].targets, ElementsAre(5, 3));
  EXPECT_THAT(sets.answers[0].contrasts, ElementsAre(9));
  EXPECT_EQ(sets.reduction, Reduction::kLogSumExp);
  EXPECT_EQ(sets.top_k, 2);
  EXPECT_EQ(request.MakeScan(1).reduction, Reduction::kMeanLogit);
}

TEST(UnitScanTest, CompensationBringsEffects) {
  const Scan scan = MustPrepare(absl::StrCat(kPrompt, "readout { compensation: true }")).MakeScan(0);
  EXPECT_TRUE(scan.effects);
  EXPECT_TRUE(scan.compensation);
  EXPECT_FALSE(MustPrepare(absl::StrCat(kPrompt, "readout { effects: true }")).MakeScan(0).compensation);
}

constexpr char kSequencePrompt[] =
    "prompts { text: 'abc' corrupted_text: 'xyz' targets { text: 'de' } contrasts { text: 'fgh' } }";

TEST(UnitScanTest, ASequenceIsAppendedButForItsLastToken) {
  const PreparedRequest request =
      MustPrepare(absl::StrCat(kSequencePrompt, kOneHead, kNoising, "readout { target_mode: TARGET_MODE_SEQUENCE }"));
  EXPECT_THAT(Kinds(request), ElementsAre(FieldsAre(false, false, false), FieldsAre(false, true, false)));
  EXPECT_EQ(request.rows_of(0), 3);

  const Scan target = request.MakeScan(0);
  EXPECT_THAT(target.token_ids, ElementsAre('a', 'b', 'c', 'd'));
  EXPECT_THAT(target.donor_token_ids, ElementsAre('x', 'y', 'z', 'd'));
  EXPECT_THAT(target.read_positions, ElementsAre(2, 3));
  ASSERT_THAT(target.answers, SizeIs(2));
  EXPECT_THAT(target.answers[0].targets, ElementsAre('d'));
  EXPECT_THAT(target.answers[1].targets, ElementsAre('e'));
  EXPECT_THAT(target.answers[0].contrasts, IsEmpty());
  EXPECT_EQ(target.variants[0].edits[0].positions, (PositionRange{0, 3}));

  const Scan contrast = request.MakeScan(1);
  EXPECT_THAT(contrast.token_ids, ElementsAre('a', 'b', 'c', 'f', 'g'));
  EXPECT_THAT(contrast.read_positions, ElementsAre(2, 3, 4));
  EXPECT_THAT(contrast.answers[2].targets, ElementsAre('h'));
  EXPECT_EQ(contrast.variants[0].edits[0].positions, (PositionRange{0, 3}));
}

TEST(UnitScanTest, AppendedTokensAreEditedWhereAskedFor) {
  const PreparedRequest request = MustPrepare(
      absl::StrCat(kSequencePrompt, kOneHead, "readout { target_mode: TARGET_MODE_SEQUENCE edit_appended: true }",
                   "edit_positions { positions { positions: 1 } }"));
  EXPECT_THAT(request.MakeScan(0).variants[0].edits,
              ElementsAre(Edit{.site = {1, 2}, .positions = {1, 2}}, Edit{.site = {1, 2}, .positions = {3, 4}}));
  EXPECT_THAT(request.MakeScan(1).variants[0].edits,
              ElementsAre(Edit{.site = {1, 2}, .positions = {1, 2}}, Edit{.site = {1, 2}, .positions = {3, 5}}));
}

TEST(UnitScanTest, ALikelihoodReadsTheNextToken) {
  const PreparedRequest request =
      MustPrepare(absl::StrCat(kSequencePrompt, kOneHead, "replacements { zero {} }", kDenoising,
                               "readout { likelihood: true target_mode: TARGET_MODE_SEQUENCE top_k: 3 }"));
  EXPECT_THAT(Kinds(request),
              ElementsAre(FieldsAre(false, false, false), FieldsAre(true, false, false), FieldsAre(false, true, false),
                          FieldsAre(true, true, false), FieldsAre(false, false, true), FieldsAre(true, false, true)));
  const Scan clean = request.MakeScan(4);
  EXPECT_THAT(clean.token_ids, ElementsAre('a', 'b', 'c'));
  EXPECT_THAT(clean.donor_token_ids, IsEmpty());
  EXPECT_THAT(clean.read_positions, ElementsAre(0, 1));
  ASSERT_THAT(clean.answers, SizeIs(2));
  EXPECT_THAT(clean.answers[0].targets, ElementsAre('b'));
  EXPECT_THAT(clean.answers[1].targets, ElementsAre('c'));
  EXPECT_EQ(clean.top_k, 0);
  EXPECT_THAT(clean.variants, SizeIs(1));
  const Scan corrupted = request.MakeScan(5);
  EXPECT_THAT(corrupted.token_ids, ElementsAre('x', 'y', 'z'));
  EXPECT_THAT(corrupted.donor_token_ids, ElementsAre('a', 'b', 'c'));
  EXPECT_THAT(corrupted.answers[1].targets, ElementsAre('z'));
}

// The contract has one likelihood a run: of the clean and the corrupted run too, whichever of them is edited.
TEST(UnitScanTest, ALikelihoodOfBothUneditedRuns) {
  for (const bool denoises : {false, true}) {
    const PreparedRequest request =
        MustPrepare(absl::StrCat(kPair, kOneHead, denoises ? kDenoising : kNoising, "readout { likelihood: true }"));
    EXPECT_THAT(Kinds(request), ElementsAre(FieldsAre(denoises, false, false), FieldsAre(false, false, true),
                                            FieldsAre(true, false, true)));
    const Scan edited = request.MakeScan(denoises ? 2 : 1);
    EXPECT_THAT(edited.variants, SizeIs(1));
    const Scan unedited = request.MakeScan(denoises ? 1 : 2);
    EXPECT_THAT(unedited.variants, IsEmpty());
    EXPECT_THAT(unedited.donor_token_ids, IsEmpty());
    EXPECT_THAT(unedited.token_ids, denoises ? ElementsAre(257, 258) : ElementsAre(120, 120));
    EXPECT_THAT(unedited.read_positions, ElementsAre(0));
  }
}

}  // namespace
}  // namespace ablate
