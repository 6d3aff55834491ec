// Summaries that would take too long are refused when they are prepared.
#include "server/result_limits.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/prepare_call.h"
#include "tests/server/scan_call.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::HasSubstr;

// 10,000 prompts of one token under eight replacements.
pb::AblateRequest Large() {
  pb::AblateRequest request = AnsweredPrompts(10'000, [](int i) { return std::vector<int32_t>{i % 256}; });
  for (int r = 0; r < 8; ++r) request.add_replacements()->mutable_scale()->set_factor(static_cast<float>(r));
  request.mutable_summary();
  return request;
}

void ExpectTooMany(const pb::AblateRequest& request, const std::string& field, const std::string& message) {
  const absl::Status status = PrepareFake(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), field);
  EXPECT_EQ(ReasonOf(status), "TOO_MANY_DRAWS");
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(ResultLimitsTest, ResamplesOfManyEntriesAreBounded) {
  pb::AblateRequest request = Large();
  request.mutable_sweep()->mutable_pairs();
  EXPECT_TRUE(PrepareFake(request).ok()) << "the default is never too much";
  // 250,000,000,000 / (10,050 x (8 x 21 + 100)).
  request.mutable_summary()->set_bootstrap_resamples(92'819);
  EXPECT_TRUE(PrepareFake(request).ok());
  request.mutable_summary()->set_bootstrap_resamples(92'820);
  ExpectTooMany(request, "summary.bootstrap_resamples",
                "got 92820 with 10000 clusters and 168 entries, expected at most 92819");
  // 50 clusters are less work.
  for (int i = 0; i < 10'000; ++i) request.mutable_prompts(i)->set_template_(std::to_string(i % 50));
  EXPECT_TRUE(PrepareFake(request).ok());
}

TEST(ResultLimitsTest, FlipsOfManyEntriesAreBounded) {
  pb::AblateRequest request = Large();
  // 2,500,000,000,000 / (10,200 x (8 x 6 + 8 x 100)).
  request.mutable_summary()->set_sign_flips(289'030);
  EXPECT_TRUE(PrepareFake(request).ok());
  request.mutable_summary()->set_sign_flips(289'031);
  ExpectTooMany(request, "summary.sign_flips",
                "got 289031 with 10000 clusters and 48 entries, expected at most 289030");
  request.mutable_sweep()->mutable_pairs();
  EXPECT_TRUE(PrepareFake(request).ok()) << "pairs are tested without flips";
}

TEST(ResultLimitsTest, TheSecondOfTwoSweepsIsMeant) {
  pb::AblateRequest request = Large();
  request.mutable_summary()->set_bootstrap_resamples(92'820);
  request.mutable_sweep()->mutable_pairs()->set_strongest(6);
  ExpectTooMany(request, "summary.bootstrap_resamples", "10000 clusters and 168 entries");
  // What chooses is not summarised.
  request.mutable_summary()->set_split(true);
  EXPECT_TRUE(PrepareFake(request).ok());
}

}  // namespace
}  // namespace ablate
