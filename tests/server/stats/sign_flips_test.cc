#include "server/stats/sign_flips.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "server/stats/flip_source.h"
#include "server/stats/random.h"

namespace ablate::stats {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Uniform in [low, low + 1).
std::vector<double> Values(size_t n, double low, uint64_t seed) {
  Random random(seed, Stream::kSplit);
  std::vector<double> values(n);
  for (double& value : values) value = low + static_cast<double>(random.Below(1'000'000)) / 1e6;
  return values;
}

TEST(FlipSourceTest, EnumeratesWhereThatIsLess) {
  FlipSource source(5, 100, 0);
  EXPECT_TRUE(source.exact());
  ASSERT_EQ(source.total(), 32);
  std::vector<uint8_t> bytes;
  source.Next(32, bytes);
  std::set<int> patterns;
  for (const uint8_t byte : bytes) patterns.insert(byte & 31);
  EXPECT_EQ(patterns.size(), 32u);
  EXPECT_FALSE(FlipSource(5, 32, 0).exact());
  EXPECT_FALSE(FlipSource(200, 1'000'000, 0).exact());
}

TEST(FlipSourceTest, PatternsDoNotDependOnHowManyComeAtOnce) {
  FlipSource whole(70, 10, 3);
  FlipSource parts(70, 10, 3);
  std::vector<uint8_t> all;
  std::vector<uint8_t> some;
  whole.Next(10, all);
  for (const auto& [begin, n] : {std::pair<size_t, size_t>{0, 4}, {4, 6}}) {
    parts.Next(n, some);
    for (size_t group = 0; group < whole.n_groups(); ++group) {
      for (size_t i = 0; i < n; ++i) EXPECT_EQ(some[group * n + i], all[group * 10 + begin + i]);
    }
  }
}

// All of one sign: only the data itself and its mirror are as far out.
TEST(SignFlipsTest, ExactOfFewClusters) {
  const auto test = TestBySignFlips({1.0, 2.0, 3.0, 4.0}, 4, {.min_clusters = 2});
  ASSERT_TRUE(test.ok());
  EXPECT_TRUE(test->exact);
  EXPECT_EQ(test->flips, 16);
  EXPECT_EQ(test->p[0], 2.0 / 16.0);
}

// Multiples of 0.1, whose sums tie often and in floating point differ by their order, against integers.
TEST(SignFlipsTest, RoundingBreaksNoTie) {
  const std::vector<int> tenths = {3, -1, 2, 3, 5, -2, 1, 3, -1, 4, -3, 1};
  for (size_t n = 2; n <= tenths.size(); ++n) {
    std::vector<double> values;
    int sum = 0;
    for (size_t c = 0; c < n; ++c) {
      values.push_back(0.1 * tenths[c]);
      sum += tenths[c];
    }
    int reached = 0;
    for (unsigned pattern = 0; pattern < 1U << n; ++pattern) {
      int flipped = 0;
      for (size_t c = 0; c < n; ++c) flipped += (pattern >> c & 1) != 0 ? tenths[c] : -tenths[c];
      reached += std::abs(flipped) >= std::abs(sum) ? 1 : 0;
    }
    const auto test = TestBySignFlips(values, static_cast<int32_t>(n), {.min_clusters = 2});
    ASSERT_TRUE(test.ok());
    EXPECT_EQ(test->p[0], std::ldexp(reached, -static_cast<int>(n))) << n;
  }
}

// The mean is 2.5 and all clusters lie beyond 0.5 on one side: of the 16 only the data's own pattern is as far out on
// that side, and the mirror image, 0.5 - 2, does not reach -2.5.
TEST(SignFlipsTest, BeyondAnEdgeOneTailCounts) {
  for (const double sign : {1.0, -1.0}) {
    const auto test =
        TestBySignFlips({sign * 1.0, sign * 2.0, sign * 3.0, sign * 4.0}, 4, {.min_effect = 0.5, .min_clusters = 2});
    ASSERT_TRUE(test.ok());
    EXPECT_EQ(test->p[0], 1.0 / 16.0);
  }
}

TEST(SignFlipsTest, InsideTheNullNothingIsFound) {
  const auto test = TestBySignFlips(Values(30, 0.0, 1), 30, {.min_effect = 2.0});
  ASSERT_TRUE(test.ok());
  EXPECT_GT(test->p[0], 0.9);
}

TEST(SignFlipsTest, RandomFlipsNeverGiveZero) {
  const auto test = TestBySignFlips(Values(40, 5.0, 1), 40, {.flips = 10'000});
  ASSERT_TRUE(test.ok());
  EXPECT_FALSE(test->exact);
  EXPECT_EQ(test->p[0], 1.0 / 10'001.0);
}

// What is adjusted is never smaller, orders as the statistics do, and equals p for the least of them.
TEST(SignFlipsTest, StepDownIsMonotone) {
  constexpr int32_t kClusters = 21;
  std::vector<double> means;
  for (int e = 0; e < 40; ++e) {
    const std::vector<double> values = Values(kClusters, -0.5 + 0.01 * e, e);
    means.insert(means.end(), values.begin(), values.end());
  }
  const auto test = TestBySignFlips(means, kClusters, {.flips = 4000});
  ASSERT_TRUE(test.ok());
  size_t least = 0;
  for (size_t e = 0; e < 40; ++e) {
    EXPECT_GE(test->p_fwer[e], test->p[e]);
    if (test->p[e] > test->p[least]) least = e;
    for (size_t other = 0; other < 40; ++other) {
      // Five standard errors of a difference of two shares of 4,000: 5 sqrt(2 * 0.25 / 4000).
      if (test->p[e] >= test->p[other] - 0.056) continue;
      EXPECT_LE(test->p_fwer[e], test->p_fwer[other]);
    }
  }
  EXPECT_LT(test->p_fwer[39], 0.05);
  EXPECT_GE(test->p_fwer[least], 0.9);
}

TEST(SignFlipsTest, TooFewClustersAreNoPartOfTheFamily) {
  constexpr int32_t kClusters = 22;
  std::vector<double> means = Values(kClusters, -0.2, 2);
  const auto alone = TestBySignFlips(means, kClusters, {});
  std::vector<double> sparse = Values(kClusters, 3.0, 3);
  for (size_t c = 0; c < 3; ++c) sparse[c] = kNan;
  means.insert(means.end(), sparse.begin(), sparse.end());
  const auto both = TestBySignFlips(means, kClusters, {});
  ASSERT_TRUE(alone.ok() && both.ok());
  EXPECT_EQ(both->p_fwer[0], alone->p_fwer[0]);
  EXPECT_TRUE(std::isnan(both->p[1]));
  EXPECT_TRUE(std::isnan(both->p_fwer[1]));
  const auto none = TestBySignFlips(absl::MakeConstSpan(sparse), kClusters, {});
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->flips, 0);
}

TEST(SignFlipsTest, StopsWhenTold) {
  const auto test = TestBySignFlips(Values(20, 0.0, 4), 20, {.go_on = [] { return absl::CancelledError("gone"); }});
  EXPECT_EQ(test.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace ablate::stats
