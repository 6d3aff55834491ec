// What each mistake is answered with. Printed, so that the messages can be read as a user would.
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/bad_request_cases.h"
#include "tests/server/prepare_call.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::HasSubstr;

void ExpectNamed(const std::string& name, const pb::AblateRequest& request, const BadRequestCase& expected,
                 absl::StatusCode code, const PrepareOptions& options = {}) {
  SCOPED_TRACE(name);
  const absl::Status status = PrepareFake(request, options).status();
  std::printf("| %s | %.300s |\n", name.c_str(), std::string(status.message()).c_str());
  EXPECT_EQ(status.code(), code);
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr(expected.message));
  EXPECT_EQ(message.substr(0, expected.field.size() + 2), expected.field + ": ");
  EXPECT_EQ(ReasonOf(status), expected.reason);
  EXPECT_EQ(FieldOf(status), expected.field);
}

class BadRequestTest : public ::testing::TestWithParam<std::vector<BadRequestCase>> {};

TEST_P(BadRequestTest, EachMistakeIsNamed) {
  const std::string good = absl::StrCat(kPair, kPair);
  ASSERT_TRUE(PrepareText(good).ok());
  for (const BadRequestCase& c : GetParam()) {
    ExpectNamed(c.name, RequestOf(good + c.damage), c, absl::StatusCode::kInvalidArgument);
  }
}

INSTANTIATE_TEST_SUITE_P(Prompts, BadRequestTest, ::testing::Values(PromptCases()));
INSTANTIATE_TEST_SUITE_P(Sweeps, BadRequestTest, ::testing::Values(SweepCases()));
INSTANTIATE_TEST_SUITE_P(Replacements, BadRequestTest, ::testing::Values(ReplacementCases()));
INSTANTIATE_TEST_SUITE_P(Readouts, BadRequestTest, ::testing::Values(ReadoutCases()));
INSTANTIATE_TEST_SUITE_P(Summaries, BadRequestTest, ::testing::Values(SummaryCases()));

// What protobuf's text cannot say.
TEST(BadRequestsTest, NumbersOfPrompts) {
  ExpectNamed("NoPrompts", {}, {"", "", "prompts", "PROMPT_COUNT_OUT_OF_RANGE", "got 0 prompts, expected 1 .. 100000"},
              absl::StatusCode::kInvalidArgument);
  pb::AblateRequest many;
  for (int i = 0; i < 100'001; ++i) many.add_prompts();
  ExpectNamed("TooManyPrompts", many, {"", "", "prompts", "PROMPT_COUNT_OUT_OF_RANGE", "got 100001 prompts"},
              absl::StatusCode::kInvalidArgument);
}

TEST(BadRequestsTest, WhatANewerClientAsksFor) {
  pb::AblateRequest request = RequestOf(absl::StrCat(kPrompt, "sweep {}"));
  request.mutable_sweep()->GetReflection()->MutableUnknownFields(request.mutable_sweep())->AddLengthDelimited(7, "");
  ExpectNamed("SweepOfTheFuture", request,
              {"", "", "sweep", "UNKNOWN_FIELD", "field number 7 of ablation.v1.Sweep is not known to this server"},
              absl::StatusCode::kInvalidArgument);
  request = RequestOf(kPair);
  request.mutable_readout()->set_reduction(static_cast<pb::Reduction>(17));
  ExpectNamed("ReductionOfTheFuture", request, {"", "", "readout.reduction", "UNKNOWN_VALUE", "got number 17"},
              absl::StatusCode::kInvalidArgument);
  request = RequestOf(kPair);
  request.mutable_readout()->set_target_mode(static_cast<pb::TargetMode>(17));
  ExpectNamed("TargetModeOfTheFuture", request, {"", "", "readout.target_mode", "UNKNOWN_VALUE", "got number 17"},
              absl::StatusCode::kInvalidArgument);
  request = RequestOf(kPair);
  request.add_replacements()->mutable_resample()->set_direction(static_cast<pb::Direction>(17));
  ExpectNamed("DirectionOfTheFuture", request,
              {"", "", "replacements[0].resample.direction", "DIRECTION_MISSING", "got number 17"},
              absl::StatusCode::kInvalidArgument);
}

struct QuotaCase {
  std::string name;
  std::string text;
  RequestLimits limits;
  std::string reason;
  std::string message;
};

TEST(BadRequestsTest, WhatIsTooLargeIsAQuotaFailure) {
  const std::string keep_200 = Times(200, "keep { sites: 'L0H0' }");
  const std::vector<QuotaCase> cases = {
      {"TooCostly",
       absl::StrCat(kPrompt, kPrompt),
       {.cost = 81},
       "REQUEST_TOO_COSTLY",
       "costs 82 packed tokens x layers, more than the 81"},
      {"TooManyTokens",
       absl::StrCat(kPrompt, kPrompt),
       {.tokens = 3},
       "REQUEST_TOO_MANY_TOKENS",
       "with prompts[1] the request has more tokens than the 3"},
      {"PairsCountTwice",
       absl::StrCat(kPair, kPair),
       {.tokens = 7},
       "REQUEST_TOO_MANY_TOKENS",
       "with prompts[1] the request has more tokens than the 7"},
      {"TooManyVariants",
       absl::StrCat(kPair, Times(16, "replacements { zero {} }"), "edit_positions { each: true }",
                    Sweep("all_but { random_sets: 200 " + keep_200 + "}")),
       {},
       "TOO_MANY_VARIANTS",
       "a prompt has 40201 variants x 16 replacements x 2 edit positions = 1286432, expected at most 1000000"},
      {"TooManySets",
       absl::StrCat(kPair, Sweep("all_but { random_sets: 1000 " + Times(1000, "keep { sites: 'L0H0' }") + "}")),
       {},
       "TOO_MANY_VARIANTS",
       "= 1001001, expected at most 1000000"},
      {"TooManyEdits",
       absl::StrCat(Prompt("text: 'abcdef'"), Times(16, "replacements { zero {} }"),
                    Sweep("all_but { random_sets: 999 " + Times(60, "keep { sites: 'L0H0' }") + "}"),
                    "edit_positions { positions { positions: [0, 2, 4] } }"),
       {},
       "TOO_MANY_EDITS",
       "variants have 14400288 edits together, expected at most 10000000"},
      // (16 replacements x 32 edit positions x 50 groups, and the baseline) x 32 read positions.
      {"ResultsTooLarge",
       absl::StrCat(Prompt("text: '" + std::string(32, 'a') + "'"), Times(16, "replacements { zero {} }"),
                    Sweep("groups { " + Times(50, "groups { sites: 'L0H0' }") + "}"), "edit_positions { each: true }",
                    "readout { all_positions: true top_k: 100 }"),
       {},
       "RESULTS_TOO_LARGE",
       "prompts[0] gives 819232 rows"},
  };
  for (const QuotaCase& c : cases) {
    SCOPED_TRACE(c.name);
    const absl::Status status = PrepareText(c.text, {.limits = c.limits}).status();
    std::printf("| %s | %s |\n", c.name.c_str(), std::string(status.message()).c_str());
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
    EXPECT_EQ(ReasonOf(status), c.reason);
    EXPECT_EQ(QuotaSubjectOf(status), "request");
  }
  EXPECT_TRUE(PrepareText(absl::StrCat(kPrompt, kPrompt), {.limits = {.cost = 82, .tokens = 4}}).ok());
}

}  // namespace
}  // namespace ablate
