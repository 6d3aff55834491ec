#include "engine/forward/host.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace ablate {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

TEST(CoresOfQuota, RoundsUpToWholeCores) {
  EXPECT_EQ(CoresOfQuota("200000 100000\n"), 2);
  EXPECT_EQ(CoresOfQuota("150000 100000\n"), 2);
  EXPECT_EQ(CoresOfQuota("1000 100000\n"), 1);
}

TEST(CoresOfQuota, NoQuotaIsNoLimit) {
  for (const char* text : {"max 100000\n", "", "100000", "0 100000", "-1 100000", "100000 0", "99999999999999 1"}) {
    EXPECT_EQ(CoresOfQuota(text), std::numeric_limits<int32_t>::max()) << text;
  }
}

TEST(FreeUnderLimit, CountsWhatCanBeTakenBackAsFree) {
  EXPECT_EQ(FreeUnderLimit("1000\n", "700\n", "anon 100\ninactive_file 250\n"), 550);
  EXPECT_EQ(FreeUnderLimit("1000\n", "700\n", ""), 300);
  EXPECT_EQ(FreeUnderLimit("1000\n", "1200\n", ""), 0);
}

TEST(FreeUnderLimit, NoLimitIsNone) {
  EXPECT_EQ(FreeUnderLimit("max\n", "700\n", "inactive_file 250\n"), kUnlimited);
  EXPECT_EQ(FreeUnderLimit("", "", ""), kUnlimited);
}

TEST(Host, IsPlausible) {
  EXPECT_GE(UsableCores(), 1);
  EXPECT_GT(AvailableHostBytes(), int64_t{64} << 20);
  EXPECT_FALSE(ProcessorName().empty());
}

}  // namespace
}  // namespace ablate
