#include "server/stats/rank.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ablate::stats {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(AverageRanksTest, TiesShareTheMean) {
  EXPECT_THAT(AverageRanks({3.0, 1.0, 3.0, 2.0, 3.0}), testing::ElementsAre(4.0, 1.0, 4.0, 2.0, 4.0));
  EXPECT_THAT(AverageRanks({5.0, 5.0}), testing::ElementsAre(1.5, 1.5));
}

TEST(SpearmanTest, KnowsOrderOnly) {
  EXPECT_DOUBLE_EQ(Spearman({1.0, 2.0, 3.0}, {1.0, 100.0, 1e6}), 1.0);
  EXPECT_DOUBLE_EQ(Spearman({1.0, 2.0, 3.0}, {3.0, 2.0, 1.0}), -1.0);
  // 1 - 6 * (1 + 1) / (4 * 15)
  EXPECT_DOUBLE_EQ(Spearman({1.0, 2.0, 3.0, 4.0}, {2.0, 1.0, 3.0, 4.0}), 0.8);
}

TEST(SpearmanTest, LeavesOutWhatOneSideLacks) {
  EXPECT_DOUBLE_EQ(Spearman({1.0, kNan, 2.0, 9.0}, {1.0, 50.0, 2.0, kNan}), 1.0);
}

TEST(SpearmanTest, IsNanWhereOneSideDoesNotVary) {
  EXPECT_TRUE(std::isnan(Spearman({1.0, 1.0, 1.0}, {1.0, 2.0, 3.0})));
  EXPECT_TRUE(std::isnan(Spearman({1.0}, {2.0})));
  EXPECT_TRUE(std::isnan(Spearman({}, {})));
}

}  // namespace
}  // namespace ablate::stats
