#include "server/stats/clusters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace ablate::stats {
namespace {

using testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(MakeClustersTest, TemplatesAreClusters) {
  const Clusters clusters = MakeClusters(std::vector<std::string>{"b", "a", "b", "c", "a"});
  EXPECT_THAT(clusters.of_prompt, ElementsAre(0, 1, 0, 2, 1));
  EXPECT_EQ(clusters.count, 3);
  EXPECT_FALSE(clusters.assumes_iid);
}

TEST(MakeClustersTest, WithoutTemplatesEachPromptIsOne) {
  const Clusters clusters = MakeClusters(std::vector<std::string>{"", "", ""});
  EXPECT_THAT(clusters.of_prompt, ElementsAre(0, 1, 2));
  EXPECT_TRUE(clusters.assumes_iid);
}

TEST(MakeClustersTest, APromptWithoutOneBesideOthersIsItsOwn) {
  const Clusters clusters = MakeClusters(std::vector<std::string>{"", "a", "", "a"});
  EXPECT_THAT(clusters.of_prompt, ElementsAre(0, 1, 2, 1));
  EXPECT_EQ(clusters.count, 3);
  EXPECT_FALSE(clusters.assumes_iid);
}

TEST(ClusterMeansTest, AreEntryByEntryAndLeaveMissingValuesOut) {
  const Clusters clusters = {.of_prompt = {0, 1, 0, 1}, .count = 2};
  // [4 prompts, 3 entries]
  const std::vector<double> values = {1.0, 10.0, kNan,  //
                                      2.0, kNan, 5.0,   //
                                      3.0, 30.0, kNan,  //
                                      6.0, 40.0, 7.0};
  const std::vector<double> means = ClusterMeans(values, 3, clusters);
  EXPECT_THAT(means, ElementsAre(2.0, 4.0, 20.0, 40.0, testing::NanSensitiveDoubleEq(kNan), 6.0));
}

TEST(DrawHalfTest, DrawsHalfBySeed) {
  const std::vector<bool> drawn = DrawHalf(21, 4);
  EXPECT_EQ(std::count(drawn.begin(), drawn.end(), true), 10);
  EXPECT_EQ(drawn, DrawHalf(21, 4));
  EXPECT_NE(drawn, DrawHalf(21, 5));
}

TEST(DrawHalfTest, EveryClusterAndEveryHalfCanBeDrawn) {
  std::set<std::vector<bool>> halves;
  std::vector<int> count(5);
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const std::vector<bool> drawn = DrawHalf(5, seed);
    halves.insert(drawn);
    for (size_t i = 0; i < drawn.size(); ++i) count[i] += drawn[i] ? 1 : 0;
  }
  EXPECT_EQ(halves.size(), 10u);
  // 2 of 5, five standard errors: 5 sqrt(2000 * 0.4 * 0.6) = 110.
  for (const int n : count) EXPECT_NEAR(n, 800, 110);
}

TEST(DrawHalfTest, OfOneClusterIsNone) {
  EXPECT_THAT(DrawHalf(1, 0), ElementsAre(false));
}

}  // namespace
}  // namespace ablate::stats
