#include "server/stats/ratio.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ablate::stats {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(RatioOfMeansTest, IsNoMeanOfRatios) {
  // The mean of ratios is (1 / 1 + 6 / 2) / 2 = 2.
  EXPECT_DOUBLE_EQ(RatioOfMeans({1.0, 6.0}, {1.0, 2.0}, 0.1), 7.0 / 3.0);
}

TEST(RatioOfMeansTest, TakesClustersThatHaveBoth) {
  EXPECT_DOUBLE_EQ(RatioOfMeans({1.0, kNan, 5.0}, {2.0, 100.0, kNan}, 0.1), 0.5);
}

TEST(RatioOfMeansTest, RefusesASmallDenominator) {
  EXPECT_TRUE(std::isnan(RatioOfMeans({1.0, 1.0}, {0.05, 0.1}, 0.1)));
  EXPECT_DOUBLE_EQ(RatioOfMeans({1.0, 1.0}, {-0.25, -0.25}, 0.25), -4.0);
  EXPECT_TRUE(std::isnan(RatioOfMeans({1.0, 1.0}, {1.0, -1.0}, 0.0)));
  EXPECT_TRUE(std::isnan(RatioOfMeans({}, {}, 0.0)));
}

}  // namespace
}  // namespace ablate::stats
