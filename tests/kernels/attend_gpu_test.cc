// attend on a GPU against float64, on the same problems as on the host. What needs no GPU runs everywhere.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/attend_launch.h"
#include "tests/kernels/attend_cases.h"
#include "tests/kernels/gpu_test.h"

namespace ablate::kernels {
namespace {

class AttendGpuTest : public GpuTest {
 protected:
  // z [N, H, Dh]
  std::vector<float> RunAttend(const AttendProblem<float>& p, std::optional<BlockShape> in_blocks = std::nullopt) {
    const BlockShape blocks = in_blocks.value_or(UsualBlockShape(TunedKernel::kAttend, p.d_head));
    std::vector<float> z;
    AttendArgs<float> args = p.Args(z);
    DeviceCopy<float> qkv(p.qkv, stream_), bias(p.bias, stream_), out(z, stream_);
    DeviceCopy<AttendRow> rows(p.rows, stream_);
    for (const cudaError_t error : {qkv.error(), bias.error(), out.error(), rows.error()})
      EXPECT_EQ(error, cudaSuccess);
    args.qkv = qkv.data();
    args.bias = bias.data();
    args.rows = rows.data();
    args.z = out.data();
    EXPECT_EQ(Attend(args, static_cast<int64_t>(p.rows.size()), stream_, blocks), cudaSuccess);
    EXPECT_EQ(out.CopyBack(z, stream_), cudaSuccess);
    return z;
  }
};

TEST_F(AttendGpuTest, MatchesFloat64OnRaggedShapes) {
  for (const int32_t d_head : {1, 8, 12, 33, 64, 80, 128}) {
    const AttendProblem<float> p = RaggedAttendProblem<float>(3, d_head);
    EXPECT_EQ(FindAttendError(p, RunAttend(p)), "");
  }
}

TEST_F(AttendGpuTest, MatchesFloat64On1024Tokens) {
  AttendProblem<float> p{1, 64, {}, 0, {}, {}};
  p.AddPrompt(1024, {1023, 517, 1023, 1023, 1023, 1023});
  p.Fill(1024);
  EXPECT_EQ(FindAttendError(p, RunAttend(p)), "");
}

TEST_F(AttendGpuTest, BlocksDoNotChangeBits) {
  for (const int32_t d_head : {33, 64, 128}) {
    AttendProblem<float> p{3, d_head, {}, 0, {}, {}};
    p.AddPrompt(300, {0, 33, 299});
    p.AddPrompt(6, {5});
    p.Fill(11);
    const std::vector<float> usual = RunAttend(p);
    for (const BlockShape blocks : BlockShapesOf(TunedKernel::kAttend, d_head)) {
      EXPECT_EQ(RunAttend(p, blocks), usual) << blocks.warps << " warps of " << blocks.queries << ", " << d_head;
    }
  }
}

TEST_F(AttendGpuTest, RowsOfOneTokenEqualTheLastOfMany) {
  for (const int32_t d_head : {33, 64, 128}) {
    for (const int32_t last : {31, 255, 256, 600, 1023}) {
      const AttendProblem<float> p = SinglesProblem<float>(12, d_head, last, 132);
      const std::vector<float> usual = RunAttend(p);
      EXPECT_EQ(FindAttendError(p, usual), "");
      for (const BlockShape blocks : BlockShapesOf(TunedKernel::kAttend, d_head)) {
        SCOPED_TRACE(testing::Message() << last << ", " << blocks.warps << " warps of " << blocks.queries);
        const std::vector<float> z = RunAttend(p, blocks);
        EXPECT_EQ(FindOtherSingle(p, z), "");
        EXPECT_EQ(z, usual);
      }
    }
  }
}

TEST_F(AttendGpuTest, RowsDoNotKnowTheirNeighbours) {
  AttendProblem<float> p{12, 64, {}, 0, {}, {}};
  p.AddPrompt(6, std::vector<int32_t>(144, 0));
  p.Fill(9);
  const std::vector<float> together = RunAttend(p);
  AttendProblem<float> alone{12, 64, {}, 0, {}, {}};
  alone.AddPrompt(6, {});
  const auto size = static_cast<int64_t>(6) * 3 * 12 * 64;
  alone.qkv.assign(p.qkv.begin() + 100 * size, p.qkv.begin() + 101 * size);
  alone.bias = p.bias;
  const std::vector<float> z = RunAttend(alone);
  EXPECT_TRUE(std::equal(z.begin(), z.end(), together.begin() + 100 * size / 3));
}

TEST(AttendLaunchTest, RefusesBadArgumentsWithoutTouchingADevice) {
  EXPECT_EQ(Attend({}, 1, nullptr, {4, 4}), cudaErrorInvalidValue);
  EXPECT_EQ(Attend({.n_heads = 1, .d_head = 64, .scale = 1}, 1, nullptr, {4, 4}), cudaErrorInvalidValue);
  EXPECT_EQ(Attend({.n_heads = 1, .d_head = 64, .scale = 1}, 0, nullptr, {4, 4}), cudaSuccess);
  EXPECT_EQ(Attend({.n_heads = 1, .d_head = 64, .scale = 1}, 0, nullptr, {3, 4}), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace ablate::kernels
