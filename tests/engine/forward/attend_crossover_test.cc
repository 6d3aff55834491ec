#include "engine/forward/attend_crossover.h"

#include <cstdint>
#include <map>
#include <vector>

#include "gtest/gtest.h"

namespace ablate {
namespace {

constexpr int32_t kLengths[] = {64, 128, 256, 1024};

// Our kernel takes the square of the length, ATen's a constant and a part of it.
int32_t LongestWhere(double constant, double part) {
  return LongestOwnRow(kLengths, [&](int32_t length, bool own) {
    const double square = static_cast<double>(length) * length;
    return own ? square : constant + part * square;
  });
}

TEST(AttendCrossoverTest, IsTheLastLengthAtWhichOurKernelIsAsFast) {
  EXPECT_EQ(LongestWhere(200.0 * 200, 0), 128);
  EXPECT_EQ(LongestWhere(256.0 * 256, 0), 256) << "as fast is fast enough";
  EXPECT_EQ(LongestWhere(0, 0.5), 0);
  EXPECT_EQ(LongestWhere(0, 2), INT32_MAX);
}

TEST(AttendCrossoverTest, NothingLongerIsMeasuredThenOn) {
  std::map<int32_t, int> asked;
  LongestOwnRow(kLengths, [&](int32_t length, bool own) {
    ++asked[length];
    return own && length >= 128 ? 2.0 : 1.0;
  });
  EXPECT_EQ(asked, (std::map<int32_t, int>{{64, 2}, {128, 2}}));
}

TEST(OwnAttentionTest, TakesShortRowsAndTheEndsOfLongOnes) {
  const OwnAttention own = {.longest = 256, .most_tokens = 16};
  EXPECT_TRUE(own.Takes(0, 256));
  EXPECT_FALSE(own.Takes(0, 257));
  EXPECT_TRUE(own.Takes(1008, 1024));
  EXPECT_FALSE(own.Takes(1007, 1024));
  EXPECT_TRUE(OwnAttention().Takes(0, INT32_MAX));
  EXPECT_FALSE((OwnAttention{.longest = 0}.Takes(0, 1)));
}

TEST(OwnAttentionTest, LargeHeadsAreATens) {
  GptConfig config;
  config.d_head = 129;
  EXPECT_FALSE(MeasureOwnAttention(config, Precision::kFloat32, c10::kCPU).Takes(0, 1));
}

}  // namespace
}  // namespace ablate
