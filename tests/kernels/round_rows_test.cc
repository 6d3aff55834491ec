// round_rows' CUDA kernel, its own source on the host (shim/launch.h), against the CPU's, which its own test holds to a
// scalar rounding; with the threads in many orders.
#include "tests/kernels/shim/device_language.h"
// After the shim.
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cpu/round_rows.h"
#include "kernels/round_rows_check.h"
#include "kernels/round_rows_kernel.cuh"
#include "tests/kernels/guarded_buffer.h"

namespace ablate::kernels {
namespace {

constexpr int64_t kRows = 7;

// Whether the first half of each row holds the same bits, and the guards.
bool SameHalves(const GuardedBuffer<float>& a, const GuardedBuffer<float>& b, int64_t d) {
  for (int64_t row = 0; row < kRows; ++row) {
    if (std::memcmp(a.data() + row * d, b.data() + row * d, static_cast<size_t>(2 * d)) != 0) return false;
  }
  const auto same = [&](size_t begin, size_t end) {
    return std::memcmp(&a.all[begin], &b.all[begin], (end - begin) * sizeof(float)) == 0;
  };
  return same(0, static_cast<size_t>(a.begin)) && same(static_cast<size_t>(a.begin + a.size), a.all.size());
}

TEST(RoundRowsKernelTest, EqualsTheCpuInEveryOrder) {
  for (const int64_t d : {1, 5, 16, 33, 96, 768, 3072}) {
    for (const int64_t offset : {0, 1}) {
      GuardedBuffer<float> x(kRows * d, offset, 1.5F);
      std::mt19937 random(31);
      std::normal_distribution<float> normal(0, 100);
      for (int64_t i = 0; i < x.size; ++i) x[i] = normal(random);
      GuardedBuffer<float> expected = x;
      cpu::RoundRows({expected.data(), d}, 0, kRows);
      const std::vector<BlockShape> shapes = BlockShapesOf(TunedKernel::kRoundRows, d);
      for (uint32_t seed = 0; seed < 8; ++seed) {
        GuardedBuffer<float> actual = x;
        const RoundRowsArgs args = {actual.data(), d};
        const BlockShape blocks = shapes[seed % shapes.size()];
        const shim::LaunchShape shape = {.grid = {.x = RoundRowsGrid(kRows, blocks)},
                                         .block = {.x = kWarpLanes, .y = static_cast<uint32_t>(blocks.warps)}};
        ASSERT_EQ(WithRoundRowsKernel(
                      args, [&](auto kernel) { return shim::Launch(shape, seed, [&] { kernel(args, kRows); }); }),
                  "");
        EXPECT_TRUE(SameHalves(actual, expected, d)) << "d " << d << ", offset " << offset << ", order " << seed;
      }
    }
  }
}

TEST(RoundRowsCheckTest, NamesWhatIsWrong) {
  float x[8] = {};
  EXPECT_EQ(CheckRoundRows({x, 8}, 1), "");
  EXPECT_EQ(CheckRoundRows({nullptr, 8}, 0), "");
  EXPECT_EQ(CheckRoundRows({nullptr, 8}, 1), "round_rows: x is null; expected a pointer, since there are rows");
  EXPECT_EQ(CheckRoundRows({x, 0}, 1), "round_rows: d is 0; expected 1 to 67108864");
  EXPECT_EQ(CheckRoundRows({x, 8}, -1), "round_rows: n_rows is -1; expected 0 to 2147483648");
}

}  // namespace
}  // namespace ablate::kernels
