#include "server/verify/numeric_floor.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"

namespace ablate {
namespace {

TEST(FloorOfTest, TheShortestLengthThatCoversCounts) {
  std::vector<NumericFloor> floors = {{"entropy", 8, 1}, {"other", 16, 9}, {"entropy", 32, 2}, {"entropy", 128, 3}};
  do {
    EXPECT_EQ(FloorOf(floors, "entropy", 1), 1);
    EXPECT_EQ(FloorOf(floors, "entropy", 8), 1);
    EXPECT_EQ(FloorOf(floors, "entropy", 9), 2);
    EXPECT_EQ(FloorOf(floors, "entropy", 32), 2);
    EXPECT_EQ(FloorOf(floors, "entropy", 128), 3);
    EXPECT_EQ(FloorOf(floors, "entropy", 129), 3) << "none covers it: the longest";
    EXPECT_EQ(FloorOf(floors, "other", 1000), 9);
  } while (std::next_permutation(floors.begin(), floors.end(),
                                 [](const NumericFloor& a, const NumericFloor& b) { return a.n_tokens < b.n_tokens; }));
}

TEST(FloorOfTest, NothingMeasuredIsNothing) {
  EXPECT_FALSE(FloorOf({}, "entropy", 8).has_value());
  EXPECT_FALSE(FloorOf(std::vector<NumericFloor>{{"entropy", 8, 1}}, "kl_divergence", 8).has_value());
}

}  // namespace
}  // namespace ablate
