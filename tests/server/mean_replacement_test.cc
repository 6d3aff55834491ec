// Mean libraries in requests: what does not fit, and where the means come to lie.
#include "server/mean_replacement.h"

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/means/mean_store.h"
#include "tests/server/means/make_library.h"
#include "tests/server/prepare_call.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A library [groups, 2, 3, positions, 4] for FakeEngine whose mean of group g, layer l, head h, position p, element d
// is 10000 g + 1000 l + 100 h + 10 p + d.
MeanLibrary DigitLibrary(pb::MeanMode mode, const std::vector<std::string>& templates, int32_t n_positions) {
  MeanLibrary library = MakeLibrary(absl::StrCat("d", templates.size(), n_positions));
  library.mean.clear();
  library.count.assign(templates.size() * static_cast<size_t>(n_positions), 5);
  for (size_t g = 0; g < templates.size(); ++g) {
    for (int site = 0; site < 6; ++site) {
      const int layer = site / 3, head = site % 3;
      for (int32_t p = 0; p < n_positions; ++p) {
        for (int d = 0; d < 4; ++d) {
          library.mean.push_back(10'000.0 * static_cast<double>(g) + 1000 * layer + 100 * head + 10 * p + d);
        }
      }
    }
  }
  auto& info = library.info;
  info.mutable_options()->set_mode(mode);
  info.mutable_options()->set_group_by_template(templates.size() > 1);
  *info.mutable_templates() = {templates.begin(), templates.end()};
  info.set_n_positions(n_positions);
  info.set_n_tokens(5 * static_cast<int64_t>(library.count.size()));
  info.set_n_prompts(100);
  return WithId(std::move(library));
}

class MeanReplacementTest : public ::testing::Test {
 protected:
  // Stores it and returns its id.
  std::string Keep(const MeanLibrary& library) {
    const auto kept = store_->Put(std::make_shared<const MeanLibrary>(library));
    EXPECT_TRUE(kept.ok()) << kept.status();
    return library.info.id();
  }

  static std::string Mean(const std::string& id) {
    return absl::StrCat("replacements { mean { library: '", id, "' } }");
  }

  void ExpectUnfit(const std::string& text, const std::string& field, const std::string& reason,
                   const std::string& message, bool has_store = true) const {
    const absl::Status status = PrepareText(text, {.means = has_store ? store_.get() : nullptr}).status();
    std::printf("| %s | %s |\n", reason.c_str(), std::string(status.message()).c_str());
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReasonOf(status), reason);
    EXPECT_EQ(FieldOf(status), field);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }

  // The entry that variant `v` of the scan names at a position.
  static std::vector<double> EntryAt(const Scan& scan, size_t v, int32_t position) {
    const Edit& edit = scan.variants.at(v).edits.at(0);
    const auto first = scan.table->values.begin() + (edit.entry + edit.entry_stride * position) * int64_t{4};
    return {first, first + 4};
  }

  PreparedRequest Must(const std::string& text) const { return MustPrepare(text, {.means = store_.get()}); }

  TestFolder folder_;
  const std::unique_ptr<MeanStore> store_ = MeanStore::Open(folder_.path().string()).value();
};

TEST_F(MeanReplacementTest, WhatDoesNotFitIsNamed) {
  const std::string field = "replacements[0].mean.library";
  const std::string zeros = "00000000000000000000000000000000";
  ExpectUnfit(kPrompt + Mean(zeros), field, "MEAN_LIBRARY_NOT_FOUND", "`ComputeMeans` makes one");
  ExpectUnfit(kPrompt + Mean(zeros), field, "NO_MEAN_LIBRARIES", "--means-dir", false);
  ExpectUnfit(absl::StrCat(kPrompt, "replacements { zero {} }", Mean("../secret")), "replacements[1].mean.library",
              "MEAN_LIBRARY_NOT_FOUND", "got \"../secret\"");
  ExpectUnfit(kPrompt + Mean(Keep(MakeLibrary("d0", "77aa"))), field, "MEANS_OF_ANOTHER_MODEL",
              "belongs to the model with weights 77aa, expected this model's 3e1f");
  const std::string id = Keep(MakeLibrary());
  ExpectUnfit(absl::StrCat(kPrompt, "prepend_bos: true ", Mean(id)), field, "MEANS_OF_ANOTHER_BOS_SETTING",
              "was computed without `prepend_bos`, expected as in this request: with");
  ExpectUnfit(absl::StrCat(kPrompt, "prompts { text: 'abcd' }", Mean(id)), field, "MEAN_POSITION_MISSING",
              "prompts[1] is edited at position 3, expected 0 .. 2");
}

TEST_F(MeanReplacementTest, OnlyEditedPositionsNeedAMean) {
  const std::string text = absl::StrCat("prompts { text: 'abcd' }", Mean(Keep(MakeLibrary())));
  EXPECT_FALSE(PrepareText(text, {.means = store_.get()}).ok());
  Must(text + "edit_positions { positions { ranges { end: -1 } } }");
  // Positions 0 and 1 each, where 1 is the last of the first prompt.
  ExpectUnfit(absl::StrCat(text, "prompts { text: 'ab' }", "edit_positions { each: true positions { positions: -1 } }"),
              "replacements[0].mean.library", "MEAN_POSITION_MISSING", "position 3");
}

TEST_F(MeanReplacementTest, AMeanOverTooFewTokensIsRefusedWhereItIsUsed) {
  MeanLibrary library = MakeLibrary();  // counts 4, 2, 1
  library.info.mutable_options()->set_min_count(2);
  const std::string text = absl::StrCat("prompts { text: 'abc' }", Mean(Keep(WithId(library))));
  ExpectUnfit(text, "replacements[0].mean.library", "MEAN_COUNT_TOO_SMALL",
              "mean at position 2 is over 1 tokens, expected at least 2 (its min_count)");
  Must(text + "edit_positions { positions { positions: [0, 1] } }");
}

TEST_F(MeanReplacementTest, APositionHasItsOwnMean) {
  const std::string id = Keep(DigitLibrary(pb::MEAN_MODE_POSITIONWISE, {""}, 7));
  const PreparedRequest request =
      Must(absl::StrCat("prompts { text: 'abc' } replacements { constant { scalar: 1 } }", Mean(id)));
  const Scan scan = request.MakeScan(0);
  // The constant, and six sites at three positions: what the prompts are too short for stays behind.
  EXPECT_EQ(scan.table->n_entries(), 1 + 6 * 3);
  const size_t first = 6;
  EXPECT_THAT(EntryAt(scan, first, 0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(EntryAt(scan, first + 5, 0), ElementsAre(1200, 1201, 1202, 1203));
  EXPECT_THAT(EntryAt(scan, first + 4, 2), ElementsAre(1120, 1121, 1122, 1123));
}

TEST_F(MeanReplacementTest, APooledMeanIsTheSameEverywhere) {
  const std::string id = Keep(DigitLibrary(pb::MEAN_MODE_POOLED, {""}, 1));
  const Scan scan = Must(absl::StrCat("prompts { text: 'abcdef' }", Mean(id))).MakeScan(0);
  EXPECT_EQ(scan.table->n_entries(), 6);
  EXPECT_EQ(scan.variants[5].edits[0].entry_stride, 0);
  EXPECT_THAT(EntryAt(scan, 5, 5), ElementsAre(1200, 1201, 1202, 1203));
}

TEST_F(MeanReplacementTest, ATemplateHasItsOwnMeans) {
  const std::string two = Keep(DigitLibrary(pb::MEAN_MODE_POSITIONWISE, {"abba", "baba", "other"}, 4));
  const std::string other_order = Keep(DigitLibrary(pb::MEAN_MODE_POSITIONWISE, {"baba", "abba"}, 3));
  const std::string prompts =
      "prompts { text: 'ab' template: 'baba' } prompts { text: 'abc' template: 'abba' }"
      "prompts { text: 'ab' template: 'baba' }";
  const PreparedRequest request = Must(absl::StrCat(prompts, Mean(two), Mean(other_order), Mean(two)));
  // Two templates of three are used; the library that is named twice is there once.
  EXPECT_EQ(request.table->n_entries(), 2 * 6 * 3 + 2 * 6 * 3);
  ASSERT_THAT(request.units, SizeIs(3));
  const Scan baba = request.MakeScan(0), abba = request.MakeScan(1), baba_too = request.MakeScan(2);
  EXPECT_THAT(EntryAt(baba, 4, 1), ElementsAre(11110, 11111, 11112, 11113));
  EXPECT_THAT(EntryAt(abba, 4, 2), ElementsAre(1120, 1121, 1122, 1123));
  EXPECT_THAT(EntryAt(baba, 6 + 4, 1), ElementsAre(1110, 1111, 1112, 1113));
  EXPECT_THAT(EntryAt(abba, 6 + 4, 2), ElementsAre(11120, 11121, 11122, 11123));
  EXPECT_EQ(EntryAt(baba_too, 4, 1), EntryAt(baba, 4, 1));
  EXPECT_EQ(EntryAt(baba, 12 + 4, 1), EntryAt(baba, 4, 1));
  ExpectUnfit(absl::StrCat(prompts, "prompts { text: 'ab' template: 'abab' }", Mean(two)),
              "replacements[0].mean.library", "MEAN_TEMPLATE_MISSING",
              "prompts[3].template is \"abab\", expected one of the 3 that library");
}

TEST_F(MeanReplacementTest, AppendedTokensNeedMeansWhereTheyAreEdited) {
  const std::string text = absl::StrCat("prompts { text: 'ab' targets { text: 'xyz' } }",
                                        Mean(Keep(DigitLibrary(pb::MEAN_MODE_POSITIONWISE, {""}, 3))));
  Must(text + "readout { target_mode: TARGET_MODE_SEQUENCE }");
  ExpectUnfit(text + "readout { target_mode: TARGET_MODE_SEQUENCE edit_appended: true }",
              "replacements[0].mean.library", "MEAN_POSITION_MISSING", "position 3");
}

}  // namespace
}  // namespace ablate
