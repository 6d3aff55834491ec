#include "server/stats/moments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace ablate::stats {
namespace {

using testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(MomentsTest, OfFewValues) {
  const Moments moments = MomentsOf({1.0, kNan, 2.0, 6.0});
  EXPECT_EQ(moments.n, 3);
  EXPECT_DOUBLE_EQ(moments.mean, 3.0);
  EXPECT_DOUBLE_EQ(moments.std, std::sqrt(7.0));
  EXPECT_DOUBLE_EQ(moments.sem, std::sqrt(7.0 / 3.0));
}

TEST(MomentsTest, WhatCannotBeHadIsNan) {
  EXPECT_TRUE(std::isnan(MomentsOf({}).mean));
  EXPECT_TRUE(std::isnan(MomentsOf({kNan}).mean));
  EXPECT_EQ(MomentsOf({4.0}).mean, 4.0);
  EXPECT_TRUE(std::isnan(MomentsOf({4.0}).std));
  EXPECT_TRUE(std::isnan(MomentsOf({4.0}).sem));
}

// Three times 0.1 adds up to more than 0.3, whose third is not 0.1.
TEST(MomentsTest, EqualValuesDoNotVary) {
  const Moments moments = MomentsOf({0.1, 0.1, 0.1});
  EXPECT_EQ(moments.mean, 0.1);
  EXPECT_EQ(moments.std, 0.0);
  EXPECT_EQ(moments.sem, 0.0);
}

TEST(MomentsTest, ALargeMeanDoesNotDrownTheSpread) {
  EXPECT_DOUBLE_EQ(MomentsOf({1e9, 1e9 + 1.0, 1e9 + 2.0}).std, 1.0);
}

TEST(SharesTest, CountWhatIsThere) {
  // [4 prompts, 3 entries]
  const std::vector<double> values = {1.0,  -1.0, 0.0,  //
                                      2.0,  3.0,  0.0,  //
                                      -1.0, kNan, 1.0,  //
                                      kNan, -9.0, 0.0};
  EXPECT_THAT(SignShares(values, {0.5, -2.0, 0.0}), ElementsAre(2.0 / 3.0, 2.0 / 3.0, 0.75));
  EXPECT_THAT(FlagShares({1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 1}, values, 3), ElementsAre(2.0 / 3.0, 1.0 / 3.0, 0.5));
}

TEST(SharesTest, OfNothingAreNan) {
  EXPECT_TRUE(std::isnan(SignShares({kNan}, {kNan})[0]));
}

}  // namespace
}  // namespace ablate::stats
