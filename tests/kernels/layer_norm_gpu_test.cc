// layer_norm on a GPU against float64, on the same problems as on the host. What needs no GPU runs everywhere.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "gtest/gtest.h"
#include "kernels/layer_norm_launch.h"
#include "tests/kernels/gpu_test.h"
#include "tests/kernels/layer_norm_cases.h"

namespace ablate::kernels {
namespace {

class LayerNormGpuTest : public GpuTest {
 protected:
  // Leaves x and out as the GPU left them.
  void RunLayerNorm(LayerNormProblem<float>& p, bool with_add, bool rounds = false,
                    BlockShape blocks = UsualBlockShape(TunedKernel::kLayerNorm, 768)) {
    DeviceCopy<float> x(p.x.all, stream_), gamma(p.gamma.all, stream_), beta(p.beta.all, stream_),
        add(p.add.all, stream_), out(p.out.all, stream_);
    for (const cudaError_t error : {x.error(), gamma.error(), beta.error(), add.error(), out.error()}) {
      ASSERT_CUDA(error);
    }
    LayerNormArgs<float> args = p.Args(with_add);
    args.rounds = rounds;
    args.x = x.data() + p.x.begin;
    args.gamma = gamma.data() + p.gamma.begin;
    args.beta = beta.data() + p.beta.begin;
    if (with_add) args.add = add.data() + p.add.begin;
    args.out = out.data() + p.out.begin;
    ASSERT_CUDA(LayerNorm(args, p.n_rows, stream_, blocks));
    ASSERT_CUDA(x.CopyBack(p.x.all, stream_));
    ASSERT_CUDA(out.CopyBack(p.out.all, stream_));
  }
};

TEST_F(LayerNormGpuTest, MatchesFloat64) {
  for (const int64_t rows : {1, 7, 70000}) {
    for (const int64_t d : kLayerNormSizes) {
      if (rows * d > int64_t{1} << 24) continue;
      for (const int64_t offset : {0, 1}) {
        SCOPED_TRACE(testing::Message() << rows << " rows of " << d << ", offset " << offset);
        const LayerNormProblem<float> before(rows, d, offset);
        LayerNormProblem<float> p = before;
        ASSERT_NO_FATAL_FAILURE(RunLayerNorm(p, /*with_add=*/true));
        EXPECT_EQ(FindLayerNormError(p, before.x, static_cast<double>(d) / 32 + 10), "");
        for (int64_t i = 0; i < p.x.size; ++i) ASSERT_EQ(p.x[i], before.x[i] + before.add[i % d]) << i;
      }
    }
  }
}

TEST_F(LayerNormGpuTest, BlocksDoNotChangeBits) {
  LayerNormProblem<float> usual(1000, 768, 0);
  ASSERT_NO_FATAL_FAILURE(RunLayerNorm(usual, /*with_add=*/true));
  for (const BlockShape blocks : BlockShapesOf(TunedKernel::kLayerNorm, 768)) {
    LayerNormProblem<float> p(1000, 768, 0);
    ASSERT_NO_FATAL_FAILURE(RunLayerNorm(p, /*with_add=*/true, /*rounds=*/false, blocks));
    EXPECT_TRUE(SameBits(p.out, usual.out)) << blocks.warps << " warps";
    EXPECT_TRUE(SameBits(p.x, usual.x)) << blocks.warps << " warps";
  }
}

TEST_F(LayerNormGpuTest, RoundsToBf16) {
  for (const int64_t d : {3, 96, 768, 5000}) {
    LayerNormProblem<float> exact(5, d, 0), rounded(5, d, 0);
    ASSERT_NO_FATAL_FAILURE(RunLayerNorm(exact, /*with_add=*/false));
    ASSERT_NO_FATAL_FAILURE(RunLayerNorm(rounded, /*with_add=*/false, /*rounds=*/true));
    ExpectRounded(rounded, exact);
  }
}

TEST(LayerNormLaunchTest, RefusesBadArgumentsWithoutTouchingADevice) {
  EXPECT_EQ(LayerNorm({}, 1, nullptr, {4}), cudaErrorInvalidValue);
  EXPECT_EQ(LayerNorm({.d_model = 8}, 1, nullptr, {4}), cudaErrorInvalidValue);
  EXPECT_EQ(LayerNorm({.d_model = 8}, 0, nullptr, {4}), cudaSuccess);
  EXPECT_EQ(LayerNorm({.d_model = 8}, 0, nullptr, {3}), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace ablate::kernels
