#include "server/verify/ranking.h"

#include <vector>

#include "gtest/gtest.h"

namespace ablate {
namespace {

TEST(TopOverlapTest, CountsWhatBothHave) {
  const std::vector<double> a = {0.1, 5, -4, 3, 0.2}, b = {0.1, 5, 0, -3, 4};
  EXPECT_EQ(TopOverlap(a, a, 3), 3);
  EXPECT_EQ(TopOverlap(a, b, 3), 2);
  EXPECT_EQ(TopOverlap(a, b, 1), 1);
  EXPECT_EQ(TopOverlap(a, b, 5), 5);
}

TEST(TopOverlapTest, StrengthHasNoSign) {
  EXPECT_EQ(TopOverlap(std::vector<double>{-9, 1, 2}, std::vector<double>{9, 2, 1}, 1), 1);
}

TEST(TopOverlapTest, OfEqualOnesTheFirstCount) {
  EXPECT_EQ(TopOverlap(std::vector<double>{1, 1, 1}, std::vector<double>{0, 0, 1}, 1), 0);
}

}  // namespace
}  // namespace ablate
