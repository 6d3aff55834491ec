#include "server/verify/error_stats.h"

#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace ablate {
namespace {

// n, n - 1, ..., 1.
std::vector<double> Falling(int n) {
  std::vector<double> values(n);
  std::iota(values.rbegin(), values.rend(), 1.0);
  return values;
}

TEST(ErrorStatsTest, NothingMeasuredIsZero) {
  const ErrorStats stats = MakeErrorStats({});
  EXPECT_EQ(stats.n_values, 0);
  EXPECT_EQ(stats.floor, 0);
  EXPECT_EQ(stats.worst, 0);
}

TEST(ErrorStatsTest, MedianOfOddAndEvenCounts) {
  EXPECT_EQ(MakeErrorStats({5, 1, 3}).median, 3);
  EXPECT_EQ(MakeErrorStats({4, 1, 3, 2}).median, 2.5);
  EXPECT_EQ(MakeErrorStats({7}).median, 7);
}

TEST(ErrorStatsTest, FewValuesGiveTheirLargest) {
  for (const int n : {1, 2, 500, 999}) {
    const ErrorStats stats = MakeErrorStats(Falling(n));
    EXPECT_EQ(stats.n_values, n);
    EXPECT_EQ(stats.floor, n);
    EXPECT_EQ(stats.worst, n);
  }
}

TEST(ErrorStatsTest, ManyLeaveAThousandthAbove) {
  EXPECT_EQ(MakeErrorStats(Falling(1000)).floor, 999);
  EXPECT_EQ(MakeErrorStats(Falling(1001)).floor, 1000);
  EXPECT_EQ(MakeErrorStats(Falling(2000)).floor, 1998);
  EXPECT_EQ(MakeErrorStats(Falling(4321)).floor, 4317);
  EXPECT_EQ(MakeErrorStats(Falling(4321)).worst, 4321);
}

}  // namespace
}  // namespace ablate
