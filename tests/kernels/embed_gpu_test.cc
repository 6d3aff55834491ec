// embed on a GPU. What needs no GPU runs everywhere.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "gtest/gtest.h"
#include "kernels/embed_launch.h"
#include "tests/kernels/embed_cases.h"
#include "tests/kernels/gpu_test.h"

namespace ablate::kernels {
namespace {

class EmbedGpuTest : public GpuTest {};

TEST_F(EmbedGpuTest, IsTheSum) {
  for (const auto& [n, d] : kEmbedSizes) {
    for (const int64_t offset : {0, 1}) {
      EmbedProblem p(n, d, offset);
      DeviceCopy<float> wte(p.wte.all, stream_), wpe(p.wpe.all, stream_), out(p.out.all, stream_);
      DeviceCopy<int32_t> ids(p.ids, stream_), positions(p.positions, stream_);
      ASSERT_CUDA(positions.error());
      const EmbedArgs args = {.wte = wte.data() + p.wte.begin,
                              .wpe = wpe.data() + p.wpe.begin,
                              .ids = ids.data(),
                              .positions = positions.data(),
                              .out = out.data() + p.out.begin,
                              .d_model = d};
      ASSERT_CUDA(Embed(args, n, stream_));
      ASSERT_CUDA(out.CopyBack(p.out.all, stream_));
      EXPECT_TRUE(SameBits(p.out, p.expected)) << n << " tokens of " << d;
    }
  }
}

TEST(EmbedLaunchTest, RefusesBadArgumentsWithoutTouchingADevice) {
  EXPECT_EQ(Embed({}, 1, nullptr), cudaErrorInvalidValue);
  EXPECT_EQ(Embed({.d_model = 8}, 1, nullptr), cudaErrorInvalidValue);
  EXPECT_EQ(Embed({.d_model = 8}, 0, nullptr), cudaSuccess);
}

}  // namespace
}  // namespace ablate::kernels
