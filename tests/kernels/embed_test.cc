// embed's CUDA kernel, its own source on the host (shim/launch.h), with the threads in many orders.
#include "tests/kernels/shim/device_language.h"
// After the shim.
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/embed_check.h"
#include "kernels/embed_kernel.cuh"
#include "tests/kernels/embed_cases.h"

namespace ablate::kernels {
namespace {

TEST(EmbedKernelTest, IsTheSumInEveryOrder) {
  for (const auto& [n, d] : kEmbedSizes) {
    for (const int64_t offset : {0, 1}) {
      for (uint32_t seed = 0; seed < 8; ++seed) {
        EmbedProblem p(n, d, offset);
        const EmbedArgs args = p.Args();
        if (n > 0) {
          ASSERT_EQ(CheckEmbed(args, n), "");
          const shim::LaunchShape shape = {.grid = {.x = EmbedGrid(n)}, .block = {.x = kWarpLanes, .y = kEmbedWarps}};
          ASSERT_EQ(
              WithEmbedKernel(
                  args, [&](auto kernel) { return shim::Launch(shape, seed, [&] { kernel(args, p.ids.size()); }); }),
              "");
        }
        EXPECT_TRUE(SameBits(p.out, p.expected)) << n << " tokens of " << d << ", order " << seed;
      }
    }
  }
}

// Blocks stride over what the grid leaves.
TEST(EmbedKernelTest, AFewBlocksTakeAllTokens) {
  EmbedProblem p(33, 20, 0);
  const EmbedArgs args = p.Args();
  const shim::LaunchShape shape = {.grid = {.x = 2}, .block = {.x = kWarpLanes, .y = kEmbedWarps}};
  ASSERT_EQ(WithEmbedKernel(args, [&](auto kernel) { return shim::Launch(shape, 1, [&] { kernel(args, 33); }); }), "");
  EXPECT_TRUE(SameBits(p.out, p.expected));
}

TEST(EmbedCheckTest, NamesWhatIsWrong) {
  EmbedProblem p(3, 5, 0);
  EXPECT_EQ(CheckEmbed(p.Args(), 3), "");
  EXPECT_EQ(CheckEmbed({.d_model = 5}, 0), "");
  EXPECT_EQ(CheckEmbed({.d_model = 5}, 1), "embed: wte is null; expected a pointer, since there are tokens");
  EXPECT_EQ(CheckEmbed({}, 1), "embed: d_model is 0; expected 1 to 67108864");
  EXPECT_EQ(CheckEmbed(p.Args(), -1), "embed: n_tokens is -1; expected 0 to 2147483648");
}

}  // namespace
}  // namespace ablate::kernels
