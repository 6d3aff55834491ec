// round_rows on a GPU against the CPU's. What needs no GPU runs everywhere.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cpu/round_rows.h"
#include "kernels/round_rows_launch.h"
#include "tests/kernels/gpu_test.h"

namespace ablate::kernels {
namespace {

class RoundRowsGpuTest : public GpuTest {};

TEST_F(RoundRowsGpuTest, EqualsTheCpu) {
  for (const int64_t d : {1, 5, 16, 33, 768, 3072}) {
    constexpr int64_t kRows = 1000;
    std::vector<float> actual(static_cast<size_t>(kRows * d));
    std::mt19937 random(31);
    std::normal_distribution<float> normal(0, 100);
    for (float& value : actual) value = normal(random);
    std::vector<float> expected = actual;
    cpu::RoundRows({expected.data(), d}, 0, kRows);
    for (const BlockShape blocks : BlockShapesOf(TunedKernel::kRoundRows, d)) {
      std::vector<float> rounded = actual;
      DeviceCopy<float> x(rounded, stream_);
      ASSERT_CUDA(x.error());
      ASSERT_CUDA(RoundRows({x.data(), d}, kRows, stream_, blocks));
      ASSERT_CUDA(x.CopyBack(rounded, stream_));
      for (int64_t row = 0; row < kRows; ++row) {
        ASSERT_EQ(std::memcmp(rounded.data() + row * d, expected.data() + row * d, static_cast<size_t>(2 * d)), 0)
            << "row " << row << " of " << d << ", " << blocks.warps << " warps";
      }
    }
  }
}

TEST(RoundRowsLaunchTest, RefusesBadArgumentsWithoutTouchingADevice) {
  EXPECT_EQ(RoundRows({}, 1, nullptr, {4}), cudaErrorInvalidValue);
  EXPECT_EQ(RoundRows({.x = nullptr, .d = 8}, 1, nullptr, {4}), cudaErrorInvalidValue);
  EXPECT_EQ(RoundRows({.x = nullptr, .d = 8}, 0, nullptr, {4}), cudaSuccess);
}

}  // namespace
}  // namespace ablate::kernels
