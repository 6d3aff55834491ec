// Rows of pairs of prompts: which run is compared with which, and that each row comes once, whatever the order of the
// engine's blocks.
#include <cmath>
#include <map>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/row_map.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::SizeIs;

constexpr int32_t kTarget = FakeTokenizer::kGermany, kContrast = FakeTokenizer::kFrance;
const std::vector<int32_t> kClean = {10, 200, 30}, kCorrupted = {250, 20, 90};

enum class Kind { kZero, kNoising, kDenoising };

// A pair of prompts under the given replacements.
pb::AblateRequest PairRequest(const std::vector<Kind>& kinds) {
  pb::AblateRequest request;
  pb::Prompt& prompt = *request.add_prompts();
  for (const int32_t id : kClean) prompt.mutable_token_ids()->add_ids(id);
  for (const int32_t id : kCorrupted) prompt.mutable_corrupted_token_ids()->add_ids(id);
  prompt.add_targets()->set_id(kTarget);
  prompt.add_contrasts()->set_id(kContrast);
  for (const Kind kind : kinds) {
    pb::Replacement& replacement = *request.add_replacements();
    if (kind == Kind::kZero) {
      replacement.mutable_zero();
    } else {
      replacement.mutable_resample()->set_direction(kind == Kind::kNoising ? pb::DIRECTION_NOISING
                                                                           : pb::DIRECTION_DENOISING);
    }
  }
  return request;
}

double LogitDiff(double residual) {
  return FakeEngine::Logit(residual, kTarget) - FakeEngine::Logit(residual, kContrast);
}

// The residual of variant `v` under a replacement, at `position`.
double Residual(Kind kind, int v, int32_t position) {
  Scan scan;
  scan.token_ids = kind == Kind::kDenoising ? kCorrupted : kClean;
  scan.donor_token_ids = kind == Kind::kDenoising ? kClean : kCorrupted;
  Edit edit = {.site = {v / FakeEngine::kHeads, v % FakeEngine::kHeads}};
  if (kind != Kind::kZero) {
    edit.scale = 1;
    edit.from_donor = true;
  }
  return FakeEngine::Residual(scan, {.edits = {edit}}, position);
}

double Unedited(const std::vector<int32_t>& ids, int32_t position) {
  Scan scan;
  scan.token_ids = ids;
  return FakeEngine::Residual(scan, {}, position);
}

void ExpectUnedited(const std::map<RowKey, RowColumns>& rows, int32_t position) {
  const double clean = Unedited(kClean, position), corrupted = Unedited(kCorrupted, position);
  const RowColumns& of_clean = rows.at(CleanRow(0, position));
  const RowColumns& of_corrupted = rows.at(CorruptedRow(0, position));
  EXPECT_EQ(of_clean.at("logit_diff"), LogitDiff(clean));
  EXPECT_EQ(of_corrupted.at("logit_diff"), LogitDiff(corrupted));
  for (const char* column :
       {"delta_target_logit", "delta_contrast_logit", "delta_logit_diff", "delta_target_logprob",
        "delta_contrast_logprob", "delta_target_prob", "delta_prob_diff", "kl_divergence", "kl_to_clean"}) {
    EXPECT_EQ(of_clean.at(column), 0) << column;
  }
  EXPECT_EQ(of_clean.at("top1_preserved"), 1);
  // The corrupted run's own row is compared with the clean one.
  EXPECT_EQ(of_corrupted.at("delta_logit_diff"), LogitDiff(corrupted) - LogitDiff(clean));
  EXPECT_EQ(of_corrupted.at("delta_target_logit"),
            FakeEngine::Logit(corrupted, kTarget) - FakeEngine::Logit(clean, kTarget));
  EXPECT_EQ(of_corrupted.at("delta_contrast_logprob"),
            FakeEngine::Logprob(corrupted, kContrast) - FakeEngine::Logprob(clean, kContrast));
  EXPECT_EQ(of_corrupted.at("delta_target_prob"),
            std::exp(FakeEngine::Logprob(corrupted, kTarget)) - std::exp(FakeEngine::Logprob(clean, kTarget)));
  EXPECT_EQ(of_corrupted.at("kl_divergence"), FakeEngine::Kl(clean, corrupted));
  EXPECT_EQ(of_corrupted.at("kl_to_clean"), FakeEngine::Kl(clean, corrupted));
  EXPECT_EQ(of_corrupted.at("top1_preserved"), std::fmod(clean, 2) == std::fmod(corrupted, 2));
  EXPECT_EQ(of_clean.at("normalized"), 1);
  EXPECT_EQ(of_corrupted.at("normalized"), 0);
}

void ExpectEdited(const std::map<RowKey, RowColumns>& rows, Kind kind, int replacement, int v, int32_t position) {
  const double clean = Unedited(kClean, position), corrupted = Unedited(kCorrupted, position);
  const double receiving = kind == Kind::kDenoising ? corrupted : clean, edited = Residual(kind, v, position);
  const RowColumns& row = rows.at({.replacement = replacement, .variant = v, .position = position});
  EXPECT_EQ(row.at("logit_diff"), LogitDiff(edited));
  EXPECT_EQ(row.at("delta_logit_diff"), LogitDiff(edited) - LogitDiff(receiving));
  EXPECT_EQ(row.at("kl_divergence"), FakeEngine::Kl(receiving, edited));
  EXPECT_EQ(row.at("kl_to_clean"), FakeEngine::Kl(clean, edited));
  EXPECT_EQ(row.at("normalized"),
            (LogitDiff(edited) - LogitDiff(corrupted)) / (LogitDiff(clean) - LogitDiff(corrupted)));
}

TEST(PatchingTest, EveryRowOnceComparedWithItsOwnRun) {
  const std::vector<std::vector<Kind>> requests = {{Kind::kNoising},
                                                   {Kind::kDenoising},
                                                   {Kind::kZero, Kind::kDenoising},
                                                   {Kind::kDenoising, Kind::kZero, Kind::kNoising}};
  for (const auto& kinds : requests) {
    for (const FakeBlocks blocks : {FakeBlocks{}, FakeBlocks{.rows = 1, .backwards = true}, FakeBlocks{.rows = 2}}) {
      TestServer server;
      server.Serve();
      server.device().SetBlocks(blocks);
      pb::AblateRequest request = PairRequest(kinds);
      request.mutable_readout()->mutable_positions()->add_positions(0);
      request.mutable_readout()->mutable_positions()->add_positions(-1);
      const ScanResult result = RunScan(server.stub(), request);
      ASSERT_TRUE(result.status.ok()) << result.status.error_message();
      const auto rows = RowsOf(result);
      ASSERT_THAT(rows, SizeIs(2 * (2 + 6 * kinds.size())));
      EXPECT_EQ(result.completion().rows(), static_cast<int64_t>(rows.size()));
      for (const int32_t position : {0, 2}) {
        ExpectUnedited(rows, position);
        for (size_t r = 0; r < kinds.size(); ++r) {
          for (int v = 0; v < 6; ++v) ExpectEdited(rows, kinds[r], static_cast<int>(r), v, position);
        }
      }
    }
  }
}

// A ratio over next to nothing tells nothing.
TEST(PatchingTest, NoNormalizedValueWhereTheRunsHardlyDiffer) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = PairRequest({Kind::kNoising});
  request.mutable_readout()->set_all_positions(true);
  const double first = std::abs(LogitDiff(Unedited(kClean, 0)) - LogitDiff(Unedited(kCorrupted, 0)));
  const double last = std::abs(LogitDiff(Unedited(kClean, 2)) - LogitDiff(Unedited(kCorrupted, 2)));
  ASSERT_LT(last, first);
  request.mutable_readout()->set_min_denominator((first + last) / 2);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  int given = 0;
  for (const auto& [key, row] : RowsOf(result)) {
    EXPECT_EQ(row.contains("normalized"), key.position == 0) << key.position;
    EXPECT_TRUE(row.contains("kl_to_clean"));
    given += row.contains("normalized") ? 1 : 0;
  }
  EXPECT_EQ(given, 8);
}

TEST(PatchingTest, WithoutAPairNothingIsSaidOfOne) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = PairRequest({Kind::kZero});
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const auto rows = RowsOf(result);
  EXPECT_THAT(rows, SizeIs(7));
  for (const auto& [key, row] : rows) {
    EXPECT_FALSE(row.contains("kl_to_clean"));
    EXPECT_FALSE(row.contains("normalized"));
    EXPECT_FALSE(row.contains("replacement"));
  }
}

}  // namespace
}  // namespace ablate
