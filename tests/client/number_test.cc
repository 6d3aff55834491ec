#include "client/cpp/cli/number.h"

#include "gtest/gtest.h"

namespace ablate::cli {
namespace {

TEST(NumberTest, DurationsCanBeRead) {
  EXPECT_EQ(DurationText(0), "0.000 s");
  EXPECT_EQ(DurationText(1'250'000'000), "1.250 s");
  EXPECT_EQ(DurationText(59'900'000'000), "59.900 s");
  EXPECT_EQ(DurationText(60'000'000'000), "1m");
  // Was once 1.23e+03 s.
  EXPECT_EQ(DurationText(1'230'900'000'000), "20m30s");
  EXPECT_EQ(DurationText(7'325'600'000'000), "2h2m5s");
}

TEST(NumberTest, BytesHaveTheUnitThatFits) {
  EXPECT_EQ(BytesText(0), "0.0 MiB");
  EXPECT_EQ(BytesText(73'700'000), "70.3 MiB");
  EXPECT_EQ(BytesText((int64_t{1} << 30) - (1 << 20)), "1023.0 MiB");
  EXPECT_EQ(BytesText(int64_t{1} << 30), "1.0 GiB");
}

}  // namespace
}  // namespace ablate::cli
