#include "server/stats/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace ablate::stats {
namespace {

// From a Mersenne twister and a seed sequence written after the standard's text ([rand.eng.mers], [rand.util.seedseq]).
TEST(RandomTest, BitsAreTheSameEverywhere) {
  Random bootstrap(0, Stream::kBootstrap);
  EXPECT_EQ(bootstrap.Bits(), 0xb309567432aed2e9);
  EXPECT_EQ(bootstrap.Bits(), 0xe9792353f6a1fd9a);
  Random flips(0, Stream::kSignFlips);
  EXPECT_EQ(flips.Bits(), 0x4a3bc0f08df7e523);
  Random split(0x123456789abcdef0, Stream::kSplit);
  EXPECT_EQ(split.Bits(), 0xf38bf8a288255cd1);
}

TEST(RandomTest, BothHalvesOfTheSeedCount) {
  EXPECT_NE(Random(1, Stream::kBootstrap).Bits(), Random(2, Stream::kBootstrap).Bits());
  EXPECT_NE(Random(0, Stream::kBootstrap).Bits(), Random(uint64_t{1} << 32, Stream::kBootstrap).Bits());
}

TEST(RandomTest, BelowIsTheHighHalfOfTheProduct) {
  Random random(0, Stream::kBootstrap);
  // 0xb3... / 2^64 is 0.6994, 0xe97... 0.9120.
  EXPECT_EQ(random.Below(10), 6u);
  EXPECT_EQ(random.Below(1000), 912u);
  EXPECT_EQ(random.Below(1), 0u);
}

TEST(RandomTest, BelowIsFair) {
  Random random(7, Stream::kBootstrap);
  std::array<int, 6> count{};
  for (int i = 0; i < 60'000; ++i) ++count[random.Below(6)];
  // Five standard errors: 5 sqrt(60000 * 1/6 * 5/6) = 456.
  for (const int n : count) EXPECT_NEAR(n, 10'000, 456);
}

// Of n = 3 * 2^62 a quarter of all bits would be unfair; were they taken, multiples of three would come twice as often
// as the rest.
TEST(RandomTest, BelowIsFairNearTheTop) {
  Random random(8, Stream::kBootstrap);
  int multiples_of_three = 0;
  for (int i = 0; i < 30'000; ++i) multiples_of_three += random.Below(uint64_t{3} << 62) % 3 == 0 ? 1 : 0;
  // 5 sqrt(30000 * 1/3 * 2/3) = 408; unfair it would be 15,000.
  EXPECT_NEAR(multiples_of_three, 10'000, 408);
}

}  // namespace
}  // namespace ablate::stats
