#include "server/stats/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "server/stats/random.h"
#include "server/stats/resampler.h"

namespace ablate::stats {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// [E, C], some way from 0 and from symmetric.
std::vector<double> Skewed(size_t n, uint64_t seed) {
  Random random(seed, Stream::kSplit);
  std::vector<double> values(n);
  for (double& value : values) value = -std::log((static_cast<double>(random.Below(1'000'000)) + 0.5) / 1e6);
  return values;
}

TEST(QuantileTest, IsTheWeibullOne) {
  std::vector<double> values = {40.0, 10.0, 30.0, 20.0};
  EXPECT_DOUBLE_EQ(Quantile(absl::MakeSpan(values), 0.2), 10.0);
  EXPECT_DOUBLE_EQ(Quantile(absl::MakeSpan(values), 0.5), 25.0);
  EXPECT_DOUBLE_EQ(Quantile(absl::MakeSpan(values), 0.7), 35.0);
}

TEST(QuantileTest, IsUnboundedBeyondTheLast) {
  std::vector<double> values = {1.0, 2.0, 3.0};
  EXPECT_TRUE(std::isinf(Quantile(absl::MakeSpan(values), 0.2)));
  EXPECT_TRUE(std::isinf(Quantile(absl::MakeSpan(values), 0.8)));
}

TEST(ResamplerTest, DrawsAsManyAsThereAre) {
  Resampler resampler(50, 1);
  for (int i = 0; i < 100; ++i) {
    const Resample resample = resampler.Next();
    double n = 0.0;
    for (const double times : resample.times) n += times;
    EXPECT_EQ(n, 50.0);
    EXPECT_TRUE(std::is_sorted(resample.cluster.begin(), resample.cluster.end()));
    EXPECT_LT(resample.cluster.back(), 50);
  }
}

// Of an entry the interval must not depend on its neighbours, nor on how entries and resamples are cut.
TEST(StudentisedIntervalsTest, AnEntryIsItsOwn) {
  constexpr int32_t kClusters = 23;
  const std::vector<double> all = Skewed(37 * kClusters, 1);
  const BootstrapOptions options = {.resamples = 500, .seed = 3};
  const auto together = StudentisedIntervals(all, kClusters, options);
  ASSERT_TRUE(together.ok());
  for (const size_t e : {0, 17, 36}) {
    const auto alone =
        StudentisedIntervals(absl::MakeConstSpan(all).subspan(e * kClusters, kClusters), kClusters, options);
    ASSERT_TRUE(alone.ok());
    EXPECT_EQ((*alone)[0].low, (*together)[e].low);
    EXPECT_EQ((*alone)[0].high, (*together)[e].high);
  }
}

// 100,000 resamples of 50 entries are kept in two parts, and drawn in two.
TEST(StudentisedIntervalsTest, AnEntryIsItsOwnWhereWorkIsCut) {
  constexpr int32_t kClusters = 25;
  const std::vector<double> all = Skewed(50 * kClusters, 2);
  const BootstrapOptions options = {.resamples = 100'000, .seed = 3};
  const auto together = StudentisedIntervals(all, kClusters, options);
  const auto last = StudentisedIntervals(absl::MakeConstSpan(all).last(kClusters), kClusters, options);
  ASSERT_TRUE(together.ok() && last.ok());
  EXPECT_EQ(together->back().low, last->front().low);
  EXPECT_EQ(together->back().high, last->front().high);
}

TEST(StudentisedIntervalsTest, AMissingClusterIsNoZero) {
  std::vector<double> values = Skewed(24, 4);
  const auto all = StudentisedIntervals(values, 24, {.resamples = 1000});
  values.push_back(kNan);
  const auto with_missing = StudentisedIntervals(values, 25, {.resamples = 1000});
  ASSERT_TRUE(all.ok() && with_missing.ok());
  const double width = (*all)[0].high - (*all)[0].low;
  // Other resamples of the same values.
  EXPECT_NEAR((*with_missing)[0].low, (*all)[0].low, 0.2 * width);
  EXPECT_NEAR((*with_missing)[0].high, (*all)[0].high, 0.2 * width);
}

TEST(StudentisedIntervalsTest, LeansAsTheClustersDo) {
  const std::vector<double> values = Skewed(40, 5);
  const auto found = StudentisedIntervals(values, 40, {.resamples = 2000});
  ASSERT_TRUE(found.ok());
  double mean = 0.0;
  for (const double value : values) mean += value / 40.0;
  // Rare large values may have been missed: there is more room above.
  EXPECT_GT((*found)[0].high - mean, mean - (*found)[0].low);
  EXPECT_LT((*found)[0].low, mean);
}

TEST(StudentisedIntervalsTest, WhatCannotBeHadIsNan) {
  for (const std::vector<double>& values : {std::vector<double>(30, 0.1), {1.0}, {1.0, 2.0}, {kNan, kNan}}) {
    const auto found = StudentisedIntervals(values, static_cast<int32_t>(values.size()), {});
    ASSERT_TRUE(found.ok());
    EXPECT_TRUE(std::isnan((*found)[0].low)) << values.size();
    EXPECT_TRUE(std::isnan((*found)[0].high)) << values.size();
  }
}

TEST(StudentisedIntervalsTest, StopsWhenTold) {
  const auto found = StudentisedIntervals(Skewed(20, 6), 20, {.go_on = [] { return absl::CancelledError("gone"); }});
  EXPECT_EQ(found.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace ablate::stats
