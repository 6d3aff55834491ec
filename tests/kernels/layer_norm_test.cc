// layer_norm's CUDA kernel, its own source on the host (shim/launch.h), against float64, with the threads in many
// orders.
#include "tests/kernels/shim/device_language.h"
// After the shim.
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/layer_norm_check.h"
#include "kernels/layer_norm_kernel.cuh"
#include "tests/kernels/layer_norm_cases.h"

namespace ablate::kernels {
namespace {

constexpr uint32_t kOrders = 8;

std::string RunKernelOnHost(const LayerNormArgs<float>& args, int64_t n_rows, uint32_t seed,
                            BlockShape blocks = UsualBlockShape(TunedKernel::kLayerNorm, 768)) {
  const shim::LaunchShape shape = {.grid = {.x = LayerNormGrid(n_rows, blocks)},
                                   .block = {.x = kWarpLanes, .y = static_cast<uint32_t>(blocks.warps)}};
  return WithLayerNormKernel(args,
                             [&](auto kernel) { return shim::Launch(shape, seed, [&] { kernel(args, n_rows); }); });
}

// Of a lane's packs, and over the lanes.
double LongestChain(const LayerNormProblem<float>& p) {
  return static_cast<double>(p.d_model) / kWarpLanes + 4 + 6;
}

TEST(LayerNormKernelTest, MatchesFloat64InEveryOrder) {
  for (const int64_t d : kLayerNormSizes) {
    for (const int64_t offset : {0, 1}) {
      SCOPED_TRACE(testing::Message() << "d_model " << d << ", offset " << offset);
      const LayerNormProblem<float> before(7, d, offset);
      LayerNormProblem<float> first = before;
      ASSERT_EQ(CheckLayerNorm(first.Args(true), 7), "");
      ASSERT_EQ(RunKernelOnHost(first.Args(true), 7, 0), "");
      EXPECT_EQ(FindLayerNormError(first, before.x, LongestChain(first)), "");
      for (int64_t i = 0; i < before.x.size; ++i) ASSERT_EQ(first.x[i], before.x[i] + before.add[i % d]) << i;
      for (uint32_t seed = 1; seed < kOrders; ++seed) {
        LayerNormProblem<float> again = before;
        ASSERT_EQ(RunKernelOnHost(again.Args(true), 7, seed), "");
        ASSERT_TRUE(SameBits(again.out, first.out)) << "order " << seed;
        ASSERT_TRUE(SameBits(again.x, first.x)) << "order " << seed;
      }
    }
  }
}

TEST(LayerNormKernelTest, LeavesXAloneWithoutAdd) {
  const LayerNormProblem<float> before(3, 96, 0);
  LayerNormProblem<float> p = before, added = before;
  ASSERT_EQ(RunKernelOnHost(p.Args(), 3, 1), "");
  ASSERT_EQ(RunKernelOnHost(added.Args(true), 3, 1), "");
  EXPECT_TRUE(SameBits(p.x, before.x));
  EXPECT_TRUE(SameBits(p.out, added.out)) << "the addition reached the output";
}

// A one-pass variance would lose all digits here.
TEST(LayerNormKernelTest, KeepsItsDigitsFarFromZero) {
  const LayerNormProblem<float> before(3, 768, 0, 1e3, 0.5);
  LayerNormProblem<float> p = before;
  ASSERT_EQ(RunKernelOnHost(p.Args(), 3, 2), "");
  EXPECT_EQ(FindLayerNormError(p, before.x, LongestChain(p)), "");
}

TEST(LayerNormKernelTest, BlocksDoNotChangeBits) {
  LayerNormProblem<float> usual(9, 768, 0);
  ASSERT_EQ(RunKernelOnHost(usual.Args(), 9, 0), "");
  for (const BlockShape blocks : BlockShapesOf(TunedKernel::kLayerNorm, 768)) {
    LayerNormProblem<float> p(9, 768, 0);
    ASSERT_EQ(RunKernelOnHost(p.Args(), 9, 1, blocks), "");
    EXPECT_TRUE(SameBits(p.out, usual.out)) << blocks.warps << " warps";
  }
}

// What each row gives must not depend on how many there are, nor on the grid.
TEST(LayerNormKernelTest, RowsDoNotKnowTheirNeighbours) {
  LayerNormProblem<float> whole(9, 768, 0), alone(9, 768, 0);
  ASSERT_EQ(RunKernelOnHost(whole.Args(), 9, 3), "");
  for (int64_t row = 0; row < 9; ++row) {
    LayerNormArgs<float> args = alone.Args();
    args.x += row * 768;
    args.out += row * 768;
    ASSERT_EQ(RunKernelOnHost(args, 1, 3), "");
  }
  EXPECT_TRUE(SameBits(alone.out, whole.out));
}

TEST(LayerNormBf16Test, IsTheFloatRounded) {
  for (const int64_t d : {3, 96, 768, 5000}) {
    for (const int64_t offset : {0, 1}) {
      LayerNormProblem<float> exact(5, d, offset), rounded(5, d, offset);
      ASSERT_EQ(RunKernelOnHost(exact.Args(), 5, 1), "");
      LayerNormArgs<float> args = rounded.Args();
      args.rounds = true;
      ASSERT_EQ(CheckLayerNorm(args, 5), "");
      ASSERT_EQ(RunKernelOnHost(args, 5, 1), "");
      ExpectRounded(rounded, exact);
    }
  }
}

TEST(LayerNormBf16Test, RoundsToNearestEven) {
  const struct {
    uint32_t bits;
    uint16_t want;
  } cases[] = {{0x3F800000, 0x3F80}, {0x3F808000, 0x3F80}, {0x3F818000, 0x3F82}, {0x3F808001, 0x3F81},
               {0xBF808001, 0xBF81}, {0x7F7FFFFF, 0x7F80}, {0x7F800000, 0x7F80}, {0x00000001, 0x0000}};
  for (const auto& [bits, want] : cases) EXPECT_EQ(RoundToBf16(std::bit_cast<float>(bits)), want) << std::hex << bits;
  const uint16_t nan = RoundToBf16(std::bit_cast<float>(0x7F800001U));
  EXPECT_EQ(nan & 0x7F80U, 0x7F80U);
  EXPECT_NE(nan & 0x007FU, 0U);
}

TEST(LayerNormCheckTest, NamesWhatIsWrong) {
  LayerNormProblem<float> p(2, 8, 0);
  const LayerNormArgs<float> good = p.Args(true);
  const auto problem = [&](auto change, int64_t n_rows = 2) {
    LayerNormArgs<float> args = good;
    change(args);
    return CheckLayerNorm(args, n_rows);
  };
  using Args = LayerNormArgs<float>;
  EXPECT_EQ(problem([](Args&) {}), "");
  EXPECT_EQ(problem([](Args& a) { a = {.d_model = 8}; }, 0), "") << "no rows need no pointers";
  EXPECT_EQ(problem([](Args&) {}, -1), "layer_norm: n_rows is -1; expected 0 to 2147483648");
  EXPECT_EQ(problem([](Args& a) { a.d_model = 0; }), "layer_norm: d_model is 0; expected 1 to 16777216");
  EXPECT_EQ(problem([](Args& a) { a.gamma = nullptr; }),
            "layer_norm: gamma is null; expected a pointer, since there are rows");
  EXPECT_EQ(problem([](Args& a) { a.out = a.x + 15; }), "layer_norm: out is overlapping x; expected memory of its own");
  EXPECT_NE(problem([](Args& a) { a.epsilon = -1; }), "");
  EXPECT_NE(problem([](Args& a) { a.x = reinterpret_cast<float*>(reinterpret_cast<uintptr_t>(a.x) + 2); }), "");
}

}  // namespace
}  // namespace ablate::kernels
