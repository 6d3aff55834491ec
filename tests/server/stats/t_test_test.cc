#include "server/stats/t_test.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ablate::stats {
namespace {

// With two degrees of freedom Student's distribution function is 1/2 + t / (2 sqrt(2 + t^2)).
double UpperTail(double t) {
  return 0.5 - t / (2.0 * std::sqrt(2.0 + t * t));
}

TEST(TTestTest, IsTwoSided) {
  const Moments moments = MomentsOf({1.0, 2.0, 6.0});
  const double t = 3.0 / std::sqrt(7.0 / 3.0);
  EXPECT_NEAR(TTest(moments, 0.0), 2.0 * UpperTail(t), 1e-14);
  EXPECT_EQ(TTest(MomentsOf({-1.0, -2.0, -6.0}), 0.0), TTest(moments, 0.0));
}

TEST(TTestTest, CountsWhatIsBeyondBothEdges) {
  const Moments moments = MomentsOf({-1.0, -2.0, -6.0});
  const double sem = std::sqrt(7.0 / 3.0);
  EXPECT_NEAR(TTest(moments, 1.0), UpperTail(2.0 / sem) + UpperTail(4.0 / sem), 1e-14);
}

TEST(TTestTest, ResolvesTheFarTail) {
  // P(T > t) is about 1 / (2 t^2) there; 1 - P(T < t) would have lost all digits.
  const Moments far = {.n = 3, .mean = 1e9, .std = 1.0, .sem = 1.0};
  EXPECT_NEAR(TTest(far, 0.0), 1e-18, 1e-30);
}

TEST(TTestTest, IsNanWhereNothingVaries) {
  EXPECT_TRUE(std::isnan(TTest(MomentsOf({1.0}), 0.0)));
  EXPECT_TRUE(std::isnan(TTest(MomentsOf({0.1, 0.1, 0.1}), 0.0)));
}

}  // namespace
}  // namespace ablate::stats
