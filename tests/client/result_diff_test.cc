#include "client/cpp/cli/result_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ablate::cli {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kColumns = {"delta_logit_diff"};

std::string Row(int prompt, const std::string& variant, const std::string& delta, const std::string& more = "") {
  return absl::StrCat(R"({"prompt_index": )", prompt, R"(, "replacement": "zero", "variant": ")", variant,
                      R"(", "variant_name": null, "edit_position": null, "position": 4, "delta_logit_diff": )", delta,
                      more, "}\n");
}

std::string Manifest(const std::string& token_ids = "[1,2]", const std::string& model = "small",
                     const std::string& replacement = R"({"zero":{}})") {
  return absl::StrCat(R"({"manifest": {"model": {"name": ")", model, R"("}, "replacements": [)", replacement,
                      R"(], "n_prompts": 1, "readout": {"reduction": "MEAN"}, "prompts": [{"token_ids":)", token_ids,
                      "}]}}\n");
}

absl::StatusOr<ResultDiff> Diff(const std::string& a, const std::string& b, double atol = 0) {
  const auto first = ParseResultFile("a", a, kColumns);
  if (!first.ok()) return first.status();
  const auto second = ParseResultFile("b", b, kColumns);
  if (!second.ok()) return second.status();
  return DiffResults(*first, *second, kColumns, atol);
}

TEST(ResultDiffTest, OrderIsNoDifference) {
  const std::string x = Row(0, "L0H0", "0.5"), y = Row(0, "L0H1", "-1.25"), z = Row(1, "L0H0", "3");
  const auto diff = Diff(x + y + z, z + x + y);
  ASSERT_TRUE(diff.ok()) << diff.status();
  EXPECT_TRUE(diff->moves.empty());
  EXPECT_EQ(diff->n_rows, 3U);
  EXPECT_EQ(diff->largest, 0);
}

TEST(ResultDiffTest, TheFarthestMoveIsTheFirst) {
  const auto diff = Diff(Row(0, "L0H0", "0.5") + Row(0, "L0H1", "1") + Row(0, "L0H2", "2"),
                         Row(0, "L0H2", "0.25") + Row(0, "L0H0", "0.75") + Row(0, "L0H1", "1.125"), 0.125);
  ASSERT_TRUE(diff.ok()) << diff.status();
  ASSERT_EQ(diff->moves.size(), 2U);
  EXPECT_EQ(diff->moves[0].label, "prompt 0, L0H2, zero, read at 4");
  EXPECT_EQ(diff->moves[0].a, 2);
  EXPECT_EQ(diff->moves[0].b, 0.25);
  EXPECT_EQ(diff->moves[0].distance, 1.75);
  EXPECT_EQ(diff->moves[1].label, "prompt 0, L0H0, zero, read at 4");
  EXPECT_EQ(diff->n_moved_rows, 2U);
}

TEST(ResultDiffTest, AFigureThatIsGoneHasMoved) {
  const auto diff =
      Diff(Row(0, "L0H0", "0.5") + Row(0, "L0H1", "1"), Row(0, "L0H0", "0.5") + Row(0, "L0H1", "null"), 1e9);
  ASSERT_TRUE(diff.ok()) << diff.status();
  ASSERT_EQ(diff->moves.size(), 1U);
  EXPECT_FALSE(diff->moves[0].b.has_value());
}

TEST(ResultDiffTest, RowsThatAreMissingAreAnotherExperiment) {
  const std::string x = Row(0, "L0H0", "0.5"), y = Row(0, "L0H1", "1");
  for (const auto& [a, b] : {std::pair(x + y, x), std::pair(x, x + y)}) {
    const auto diff = Diff(a, b);
    EXPECT_EQ(diff.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(diff.status().message(), HasSubstr("1 of 2 rows are in"));
    EXPECT_THAT(diff.status().message(), HasSubstr("L0H1"));
  }
}

TEST(ResultDiffTest, OtherPromptsAreAnotherExperimentAndAnotherModelIsNot) {
  const std::string row = Row(0, "L0H0", "0.5");
  EXPECT_TRUE(Diff(Manifest() + row, Manifest("[1,2]", "large") + row).ok());
  EXPECT_THAT(Diff(Manifest() + row, Manifest("[1,3]") + row).status().message(),
              HasSubstr("prompts[0].token_ids is [1,2] in the one, [1,3] in the other"));
  const auto with = [&](const std::string& replacement) { return Manifest("[1,2]", "small", replacement) + row; };
  EXPECT_THAT(Diff(with(R"({"scale":{"factor":0.5}})"), with(R"({"scale":{"factor":0.25}})")).status().message(),
              HasSubstr("replacements is"));
  // Each model has its own means.
  EXPECT_TRUE(Diff(with(R"({"mean":{"library":"a"}})"), with(R"({"mean":{"library":"b"}})")).ok());
  // A file without a manifest cannot tell.
  EXPECT_TRUE(Diff(Manifest() + row, row).ok());
}

TEST(ResultDiffTest, CsvAndJsonLinesCanBeCompared) {
  const std::string csv =
      "prompt_index,replacement,variant,variant_name,edit_position,position,delta_logit_diff\n"
      "0,zero,L0H0,,,4,0.5\n0,zero,\"L0H1\",,,4,1\n";
  const auto diff = Diff(csv, Row(0, "L0H1", "1") + Row(0, "L0H0", "0.5"));
  ASSERT_TRUE(diff.ok()) << diff.status();
  EXPECT_TRUE(diff->moves.empty());
  EXPECT_THAT(Diff("prompt_index,variant\n0,L0H0\n", csv).status().message(), HasSubstr("no column `variant_name`"));
  EXPECT_THAT(Diff(csv + "0,zero,L0H2,,,4,much\n", csv).status().message(), HasSubstr("a, line 4: column"));
  EXPECT_THAT(Diff(csv + "0,zero\n", csv).status().message(), HasSubstr("line 4: has 2 fields, expected 7"));
  EXPECT_THAT(Diff(csv, csv + "0,\"zero").status().message(), HasSubstr("b, line 4: "));
}

// No comparison with NaN is true, so that it moved from nothing.
TEST(ResultDiffTest, WhatIsNoNumberIsNotTakenForOne) {
  const std::string header = "prompt_index,replacement,variant,variant_name,edit_position,position,delta_logit_diff\n";
  const std::string good = header + "0,zero,L0H0,,,4,0.5\n";
  for (const char* text : {"nan", "NaN", "inf", "-inf", "1e999"}) {
    const auto diff = Diff(good, absl::StrCat(header, "0,zero,L0H0,,,4,", text, "\n"));
    EXPECT_THAT(diff.status().message(), HasSubstr(absl::StrCat("b, line 2: column `delta_logit_diff` holds `", text,
                                                                "`, expected a finite number")));
  }
}

TEST(ResultDiffTest, WhatCannotBeReadIsNamedWithItsLine) {
  const std::string row = Row(0, "L0H0", "0.5");
  EXPECT_THAT(Diff(row + "{\"prompt_in", row).status().message(), HasSubstr("a, line 2: expected an object"));
  EXPECT_THAT(Diff(row, row + row).status().message(), HasSubstr("b, line 2: the row of prompt 0, L0H0"));
  EXPECT_THAT(Diff(Manifest(), row).status().message(), HasSubstr("a holds no row"));
  EXPECT_THAT(Diff("", row).status().message(), HasSubstr("a holds no row"));
  EXPECT_THAT(Diff(Row(0, "L0H0", "\"x\""), row).status().message(), HasSubstr("expected a number"));
  EXPECT_THAT(Diff(Row(0, "L0H0", "null"), row).status().message(), HasSubstr("is empty in every row of a"));
  EXPECT_THAT(ParseResultFile("a", row, {"nosuch"}).status().message(), HasSubstr("no column `nosuch`"));
  EXPECT_THAT(ReadResultFile("/no/such/file", kColumns).status().message(), HasSubstr("/no/such/file"));
}

}  // namespace
}  // namespace ablate::cli
