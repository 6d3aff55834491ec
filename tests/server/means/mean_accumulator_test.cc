#include "server/means/mean_accumulator.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;

constexpr int32_t kLayers = 2, kHeads = 3, kHeadSize = 2;

// z [L, T, H, Dh] whose elements say where they stand: 1000 layer + 100 position + 10 head + element, times `scale`.
std::vector<double> Outputs(int32_t n_tokens, double scale = 1) {
  std::vector<double> z;
  for (int l = 0; l < kLayers; ++l) {
    for (int p = 0; p < n_tokens; ++p) {
      for (int h = 0; h < kHeads; ++h) {
        for (int i = 0; i < kHeadSize; ++i) z.push_back(scale * (1000 * l + 100 * p + 10 * h + i));
      }
    }
  }
  return z;
}

MeanAccumulator Make(int32_t n_positions, bool skips_first = false, int32_t n_groups = 1) {
  return MeanAccumulator({.n_layers = kLayers,
                          .n_heads = kHeads,
                          .d_head = kHeadSize,
                          .n_groups = n_groups,
                          .n_positions = n_positions,
                          .skips_first = skips_first});
}

// mean[group][layer][head][position][element].
double At(const MeanLibrary& library, int64_t n_positions, int group, int l, int h, int p, int i) {
  return library.mean.at(static_cast<size_t>((((group * kLayers + l) * kHeads + h) * n_positions + p) * kHeadSize + i));
}

TEST(MeanAccumulatorTest, PositionwiseMeansAreOverThePromptsThatReachThePosition) {
  MeanAccumulator sums = Make(3);
  ASSERT_TRUE(sums.Add(Outputs(2), 2, 0).ok());
  ASSERT_TRUE(sums.Add(Outputs(3, 3), 3, 0).ok());
  EXPECT_EQ(sums.n_tokens(), 5);
  MeanLibrary library;
  sums.Finish(library);
  EXPECT_THAT(library.count, ElementsAre(2, 2, 1));
  ASSERT_EQ(library.mean.size(), 1U * kLayers * kHeads * 3 * kHeadSize);
  for (int l = 0; l < kLayers; ++l) {
    for (int h = 0; h < kHeads; ++h) {
      for (int p = 0; p < 3; ++p) {
        for (int i = 0; i < kHeadSize; ++i) {
          // (1 + 3) / 2 = 2 where both prompts are, 3 at the last position.
          const double expected = (p < 2 ? 2 : 3) * (1000.0 * l + 100 * p + 10 * h + i);
          EXPECT_EQ(At(library, 3, 0, l, h, p, i), expected) << l << " " << h << " " << p << " " << i;
        }
      }
    }
  }
}

TEST(MeanAccumulatorTest, PooledMeansWeighEachTokenAlike) {
  MeanAccumulator sums = Make(0);
  ASSERT_TRUE(sums.Add(Outputs(1), 1, 0).ok());
  ASSERT_TRUE(sums.Add(Outputs(3), 3, 0).ok());
  MeanLibrary library;
  sums.Finish(library);
  EXPECT_THAT(library.count, ElementsAre(4));
  // Positions 0, 0, 1, 2: a mean of 0.75, where a mean of the prompts' means would be 0.5.
  EXPECT_EQ(At(library, 1, 0, 1, 2, 0, 1), 1000 + 75 + 20 + 1);
}

TEST(MeanAccumulatorTest, PooledMeansLeaveOutPositionZero) {
  MeanAccumulator sums = Make(0, /*skips_first=*/true);
  // Of a prompt of one token nothing is left.
  ASSERT_TRUE(sums.Add(Outputs(1, 1e9), 1, 0).ok());
  ASSERT_TRUE(sums.Add(Outputs(3), 3, 0).ok());
  EXPECT_EQ(sums.n_tokens(), 2);
  MeanLibrary library;
  sums.Finish(library);
  EXPECT_THAT(library.count, ElementsAre(2));
  EXPECT_EQ(At(library, 1, 0, 0, 1, 0, 0), 150 + 10);
}

TEST(MeanAccumulatorTest, GroupsAreApart) {
  MeanAccumulator sums = Make(2, false, 3);
  ASSERT_TRUE(sums.Add(Outputs(2, 1), 2, 2).ok());
  ASSERT_TRUE(sums.Add(Outputs(1, 5), 1, 0).ok());
  MeanLibrary library;
  sums.Finish(library);
  EXPECT_THAT(library.count, ElementsAre(1, 0, 0, 0, 1, 1));
  EXPECT_EQ(At(library, 2, 0, 1, 0, 0, 0), 5000);
  EXPECT_EQ(At(library, 2, 0, 1, 0, 1, 0), 0) << "nothing went in";
  EXPECT_EQ(At(library, 2, 1, 1, 0, 0, 0), 0);
  EXPECT_EQ(At(library, 2, 2, 1, 0, 1, 1), 1101);
}

// Not what a float32 sum, or a sum of prompts' sums, would give.
TEST(MeanAccumulatorTest, SumsInFloat64InTheOrderOfPromptsAndPositions) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-1, 1);
  MeanAccumulator sums = Make(0);
  std::vector<double> expected(kLayers * kHeads * kHeadSize);
  int64_t count = 0;
  for (const int32_t n_tokens : {5, 1, 9, 4}) {
    std::vector<double> z(static_cast<size_t>(kLayers * n_tokens * kHeads * kHeadSize));
    for (double& value : z) value = uniform(random);
    ASSERT_TRUE(sums.Add(z, n_tokens, 0).ok());
    const size_t width = kHeads * kHeadSize;
    for (size_t l = 0; l < kLayers; ++l) {
      for (size_t p = 0; p < static_cast<size_t>(n_tokens); ++p) {
        for (size_t i = 0; i < width; ++i) {
          expected[l * width + i] += z[(l * static_cast<size_t>(n_tokens) + p) * width + i];
        }
      }
    }
    count += n_tokens;
  }
  for (double& value : expected) value /= static_cast<double>(count);
  MeanLibrary library;
  sums.Finish(library);
  EXPECT_EQ(library.mean, expected);
}

TEST(MeanAccumulatorTest, RefusesWhatDoesNotFit) {
  EXPECT_FALSE(Make(3).Add(Outputs(2), 3, 0).ok()) << "another length";
  EXPECT_FALSE(Make(2).Add(Outputs(3), 3, 0).ok()) << "more positions than there are";
  EXPECT_FALSE(Make(3).Add(Outputs(3), 3, 1).ok()) << "no such group";
  EXPECT_FALSE(Make(3).Add(Outputs(3), 3, -1).ok());
  for (const double bad : {std::numeric_limits<double>::infinity(), std::nan("")}) {
    std::vector<double> z = Outputs(3);
    z[17] = bad;
    EXPECT_FALSE(Make(3).Add(z, 3, 0).ok()) << bad;
  }
}

}  // namespace
}  // namespace ablate
