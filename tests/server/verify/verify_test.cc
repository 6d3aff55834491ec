#include "server/verify/verify.h"

#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/verify/columns.h"
#include "server/verify/verify_report.h"
#include "tests/server/verify/noisy_engine.h"

namespace ablate {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

using Noise = std::function<double(const NoisyCell& cell)>;

NoisyOptions With(Noise noise, Precision precision = Precision::kFloat32) {
  return {.precision = precision, .noise = std::move(noise), .copies = {}, .status = {}};
}

NoisyEngine Exact() {
  return NoisyEngine(With({}, Precision::kFloat64));
}

absl::StatusOr<VerifyReport> VerifyEngine(NoisyEngine subject) {
  NoisyEngine exact = Exact();
  const auto reference = RunReference(exact, {});
  if (!reference.ok()) return reference.status();
  return Verify(subject, *reference, {});
}

absl::StatusOr<VerifyReport> VerifyWith(const Noise& noise, Precision precision = Precision::kFloat32) {
  return VerifyEngine(NoisyEngine(With(noise, precision)));
}

const ColumnError& Find(const VerifyReport& report, absl::string_view column, int32_t n_tokens) {
  for (const ColumnError& error : report.errors) {
    if (error.column == column && error.n_tokens == n_tokens) return error;
  }
  ADD_FAILURE() << "no " << column << " at " << n_tokens;
  return report.errors.front();
}

TEST(VerifyTest, EqualEnginesHaveNoError) {
  const auto report = VerifyWith({});
  ASSERT_TRUE(report.ok()) << report.status();
  // 8 and 20 tokens.
  EXPECT_EQ(report->errors.size(), 2 * MeasuredColumns().size());
  for (const ColumnError& error : report->errors) {
    EXPECT_GT(error.stats.n_values, 0) << error.column;
    EXPECT_EQ(error.stats.worst, 0) << error.column;
  }
  ASSERT_EQ(report->lengths.size(), 2U);
  for (const LengthReport& length : report->lengths) {
    EXPECT_DOUBLE_EQ(length.spearman_worst, 1);
    EXPECT_EQ(length.overlap_worst, 6) << "all heads of the model";
    EXPECT_EQ(length.n_top1_equal, length.n_rows);
  }
}

TEST(VerifyTest, ErrorsAreTheNoiseOfTheirColumnAndLength) {
  const auto report = VerifyWith([](const NoisyCell& cell) {
    if (cell.column == "target_logit") return 0x1p-10;
    if (cell.column == "entropy") return cell.scan->token_ids.size() == 8 ? -0x1p-9 : 0x1p-8;
    return 0.0;
  });
  ASSERT_TRUE(report.ok()) << report.status();
  for (const ColumnError& error : report->errors) {
    double expected = 0;
    if (error.column == "target_logit") expected = 0x1p-10;
    if (error.column == "entropy") expected = error.n_tokens == 8 ? 0x1p-9 : 0x1p-8;
    EXPECT_EQ(error.stats.median, expected) << error.column;
    EXPECT_EQ(error.stats.floor, expected) << error.column;
    EXPECT_EQ(error.stats.worst, expected) << error.column;
  }
}

TEST(VerifyTest, ChangesAreNotMeasuredInUneditedRows) {
  const auto report = VerifyWith([](const NoisyCell& cell) { return cell.variant < 0 ? 1.0 : 0.0; });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Find(*report, "target_logprob", 8).stats.worst, 1);
  EXPECT_EQ(Find(*report, "delta_target_logprob", 8).stats.worst, 0);
  EXPECT_EQ(Find(*report, "kl_divergence", 8).stats.worst, 0);
  EXPECT_LT(Find(*report, "kl_divergence", 8).stats.n_values, Find(*report, "entropy", 8).stats.n_values);
}

TEST(VerifyTest, ColumnsThatTheServerMakesHaveTheErrorsOfTheirParts) {
  const auto report = VerifyWith([](const NoisyCell& cell) {
    if (cell.column == "delta_logit_diff") return 0x1p-8;
    return cell.column == "direct_effect" ? -0x1p-9 : 0.0;
  });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Find(*report, "total_effect", 8).stats.floor, 0x1p-8);
  EXPECT_EQ(Find(*report, "indirect_effect", 8).stats.floor, 0x1p-8 + 0x1p-9);
  EXPECT_EQ(Find(*report, "self_repair", 20).stats.floor, 0x1p-8 + 0x1p-9);
  // both - first - second
  EXPECT_EQ(Find(*report, "interaction", 20).stats.floor, 0x1p-8);
  EXPECT_EQ(Find(*report, "kl_to_clean", 20).stats.floor, 0);
}

TEST(VerifyTest, OneBadRowIsTheWorstAndNotTheMedian) {
  const auto report = VerifyWith([](const NoisyCell& cell) {
    return cell.column == "kl_divergence" && cell.variant == 0 && cell.position == 7 ? 0.5 : 0.0;
  });
  ASSERT_TRUE(report.ok()) << report.status();
  const ErrorStats stats = Find(*report, "kl_divergence", 8).stats;
  EXPECT_EQ(stats.median, 0);
  EXPECT_EQ(stats.worst, 0.5);
  EXPECT_EQ(Find(*report, "kl_divergence", 20).stats.worst, 0);
}

TEST(VerifyTest, AnotherOrderOfHeadsShows) {
  const auto report = VerifyWith(
      [](const NoisyCell& cell) { return cell.column == "delta_logit_diff" && cell.variant == 0 ? 1000.0 : 0.0; });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_LT(report->lengths[0].spearman_worst, 1);
  EXPECT_LE(report->lengths[0].spearman_worst, report->lengths[0].spearman_mean);
}

TEST(VerifyTest, WhatIsNotFiniteFailsByName) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const Noise noise = [bad](const NoisyCell& cell) {
      return cell.column == "entropy" && cell.variant == 4 && cell.position == 19 ? bad : 0.0;
    };
    EXPECT_THAT(std::string(VerifyWith(noise).status().message()),
                AllOf(HasSubstr("in float32 on cpu"), HasSubstr("entropy"), HasSubstr("L1H1"),
                      HasSubstr("position 19 of 20 tokens")));
    NoisyEngine exact(With(noise, Precision::kFloat64));
    EXPECT_THAT(std::string(RunReference(exact, {}).status().message()), HasSubstr("in float64 on cpu"));
  }
}

TEST(VerifyTest, NanInTheTopTokensFailsToo) {
  const auto report = VerifyWith([](const NoisyCell& cell) {
    return cell.column == "top_k_logprob" && cell.variant == kDonorVariant ? std::nan("") : 0.0;
  });
  EXPECT_THAT(std::string(report.status().message()), AllOf(HasSubstr("top_k_logprob"), HasSubstr("the donor")));
}

TEST(VerifyTest, MissingAndRepeatedRowsFail) {
  for (const int copies : {0, 2}) {
    NoisyOptions options = With({});
    options.copies = [copies](int32_t variant, int32_t position) { return variant == 3 && position == 6 ? copies : 1; };
    EXPECT_THAT(std::string(VerifyEngine(NoisyEngine(options)).status().message()),
                AllOf(HasSubstr("L1H0 at position 6"), HasSubstr(copies == 0 ? "did not come" : "came twice")));
  }
}

TEST(VerifyTest, AnEnginesErrorIsPassedOn) {
  NoisyOptions options = With({});
  options.status = absl::ResourceExhaustedError("cuda:0 is out of memory");
  const absl::Status status = VerifyEngine(NoisyEngine(options)).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("out of memory"));
}

TEST(VerifyTest, TheReferenceIsFloat64OfTheSameModel) {
  NoisyEngine coarse(With({}));
  EXPECT_TRUE(absl::IsFailedPrecondition(RunReference(coarse, {}).status()));
  NoisyEngine other(With({}));
  other.info().weights_sha256 = "beef";
  const absl::Status status = VerifyEngine(std::move(other)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("beef"), HasSubstr("3e1f")));
}

TEST(VerifyTest, ProgressCountsThePromptsOfEachRun) {
  NoisyEngine subject(With({})), exact = Exact();
  int32_t next = 0, all = 0;
  const VerifyProgress count = [&](int32_t index, int32_t n_prompts, int32_t n_tokens) {
    EXPECT_EQ(index, next++);
    EXPECT_TRUE(n_tokens == 8 || n_tokens == 20);
    all = n_prompts;
  };
  const auto reference = RunReference(exact, count);
  ASSERT_TRUE(reference.ok()) << reference.status();
  EXPECT_EQ(next, all);
  next = 0;
  ASSERT_TRUE(Verify(subject, *reference, count).ok());
  EXPECT_EQ(next, all);
}

TEST(VerifyTest, OneReferenceServesSeveralPrecisions) {
  NoisyEngine exact = Exact();
  const auto reference = RunReference(exact, {});
  ASSERT_TRUE(reference.ok()) << reference.status();
  for (const double error : {0x1p-10, 0x1p-4}) {
    NoisyEngine subject(With([error](const NoisyCell& cell) { return cell.column == "entropy" ? error : 0.0; }));
    const auto report = Verify(subject, *reference, {});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(Find(*report, "entropy", 20).stats.median, error);
  }
}

TEST(VerifyReportTest, FloorsAreOfEveryColumnAndLength) {
  const auto report = VerifyWith([](const NoisyCell& cell) { return cell.column == "entropy" ? 0x1p-8 : 0.0; });
  ASSERT_TRUE(report.ok()) << report.status();
  std::set<std::pair<std::string, int32_t>> keys;
  for (const NumericFloor& floor : report->floors()) {
    keys.emplace(floor.column, floor.n_tokens);
    EXPECT_EQ(floor.floor, floor.column == "entropy" ? 0x1p-8 : 0) << floor.column;
  }
  EXPECT_EQ(keys.size(), 2 * MeasuredColumns().size());
}

absl::StatusOr<VerifyReport> NoisyEntropy(double error, Precision precision) {
  return VerifyWith([error](const NoisyCell& cell) { return cell.column == "entropy" ? error : 0.0; }, precision);
}

void ExpectLinesFit(const std::string& table) {
  for (const absl::string_view line : absl::StrSplit(table, '\n')) EXPECT_LE(line.size(), 120U) << line;
}

TEST(VerifyReportTest, TheTableOfOnePrecisionHasItsFloors) {
  const auto report = NoisyEntropy(0x1p-8, Precision::kFloat32);
  ASSERT_TRUE(report.ok()) << report.status();
  const std::string table = VerifyTable({*report});
  for (const absl::string_view column : MeasuredColumns()) EXPECT_THAT(table, HasSubstr(std::string(column)));
  EXPECT_THAT(table, AllOf(HasSubstr("3.9e-03"), HasSubstr("8 tok"), HasSubstr("20 tok"), HasSubstr("in float32")));
  ExpectLinesFit(table);
}

TEST(VerifyReportTest, TheTableOfSeveralSetsThemSideBySide) {
  const auto fine = NoisyEntropy(0x1p-10, Precision::kFloat32), middle = NoisyEntropy(0x1p-8, Precision::kTf32),
             coarse = NoisyEntropy(0x1p-6, Precision::kBf16);
  ASSERT_TRUE(fine.ok() && middle.ok() && coarse.ok());
  const std::string table = VerifyTable({*fine, *middle, *coarse});
  EXPECT_THAT(table, ContainsRegex("float32 +tf32 +bf16 *\n"));
  EXPECT_THAT(table, ContainsRegex("entropy +9.8e-04 +9.8e-04 +3.9e-03 +3.9e-03 +1.6e-02 +1.6e-02 +[0-9]+\n"));
  for (const char* name : {"float32", "tf32", "bf16"}) {
    EXPECT_THAT(table, ContainsRegex(absl::StrCat("\n", name, " +8 "))) << "its order of heads";
    EXPECT_THAT(table, ContainsRegex(absl::StrCat("\n", name, " +20 ")));
  }
  ExpectLinesFit(table);
}

TEST(VerifyReportTest, JsonHasAllFigures) {
  const auto fine = NoisyEntropy(0x1p-10, Precision::kFloat32), coarse = NoisyEntropy(0x1p-6, Precision::kBf16);
  ASSERT_TRUE(fine.ok() && coarse.ok());
  const nlohmann::json json = nlohmann::json::parse(VerifyJson({*fine, *coarse}, "1.2.3"));
  ASSERT_EQ(json["runs"].size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    const nlohmann::json& run = json["runs"][i];
    EXPECT_EQ(run["runtime"]["engine_version"], "1.2.3");
    EXPECT_EQ(run["runtime"]["precision"], i == 0 ? "float32" : "bf16");
    EXPECT_EQ(run["lengths"].size(), 2U);
    ASSERT_EQ(run["errors"].size(), fine->errors.size());
    for (const auto& error : run["errors"]) {
      EXPECT_EQ(error["floor"], error["column"] != "entropy" ? 0 : i == 0 ? 0x1p-10 : 0x1p-6);
    }
  }
}

}  // namespace
}  // namespace ablate
