// The comparator itself.
#include "tests/kernels/cpu/kernel_test.h"

namespace ablate::kernels::cpu {
namespace {

TEST(IsCloseTest, HoldsWithinTheToleranceOnly) {
  EXPECT_TRUE(IsClose(1.0, 1.5, 0.5));
  EXPECT_FALSE(IsClose(1.0, 1.75, 0.5));
  EXPECT_FALSE(IsClose(-1.75, -1.0, 0.5));
}

TEST(IsCloseTest, RefusesNanAndInf) {
  EXPECT_FALSE(IsClose(kNan<double>, kNan<double>, 1));
  EXPECT_FALSE(IsClose(kInf<double>, kInf<double>, 1));
  EXPECT_FALSE(IsClose(0, 0, kNan<double>));
  EXPECT_FALSE(IsClose(0, 1, kInf<double>));
}

TEST(SameBitsTest, TellsZerosApartAndSizes) {
  EXPECT_TRUE(SameBits<float>({0.0F, kNan<float>}, {0.0F, kNan<float>}));
  EXPECT_FALSE(SameBits<float>({0.0F}, {-0.0F}));
  EXPECT_FALSE(SameBits<float>({0.0F}, {0.0F, 0.0F}));
}

}  // namespace
}  // namespace ablate::kernels::cpu
