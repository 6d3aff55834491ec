// fan_out on a GPU against the reference, on the same problems as on the host, bit for bit. What needs no GPU runs
// everywhere.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/fan_out_launch.h"
#include "kernels/fan_out_reference.h"
#include "tests/kernels/fan_out_cases.h"
#include "tests/kernels/gpu_test.h"

namespace ablate::kernels {
namespace {

// A problem's arguments in device memory, at the same offsets from 16 bytes.
template <typename T>
struct DeviceProblem {
  DeviceProblem(FanOutProblem<T>& problem, cudaStream_t stream)
      : x(problem.x.all, stream),
        z(problem.z.all, stream),
        bias(problem.bias.all, stream),
        table(problem.table.all, stream),
        x_out(problem.x_out.all, stream),
        z_out(problem.z_out.all, stream),
        source_token(problem.source_token, stream),
        position(problem.position, stream),
        row(problem.row, stream),
        row_edit_begin(problem.row_edit_begin, stream),
        edits(problem.edits, stream),
        args(problem.Args()) {
    args.x = x.data() + problem.x.begin;
    args.z = z.data() + problem.z.begin;
    args.bias = bias.data() + problem.bias.begin;
    args.table = table.data() + problem.table.begin;
    args.x_out = x_out.data() + problem.x_out.begin;
    args.z_out = z_out.data() + problem.z_out.begin;
    args.source_token = source_token.data();
    args.position = position.data();
    args.row = row.data();
    args.row_edit_begin = row_edit_begin.data();
    args.edits = edits.data();
  }
  cudaError_t error() const {
    for (const cudaError_t e :
         {x.error(), z.error(), bias.error(), table.error(), x_out.error(), z_out.error(), source_token.error(),
          position.error(), row.error(), row_edit_begin.error(), edits.error()}) {
      if (e != cudaSuccess) return e;
    }
    return cudaSuccess;
  }

  DeviceCopy<T> x, z, bias, table, x_out, z_out;
  DeviceCopy<int32_t> source_token, position, row, row_edit_begin;
  DeviceCopy<HeadEdit> edits;
  FanOutArgs<T> args;
};

template <typename T>
class FanOutGpuTest : public GpuTest {};
using ElementTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(FanOutGpuTest, ElementTypes);

TYPED_TEST(FanOutGpuTest, EqualsReference) {
  ForEachFanOutProblem<TypeParam>(FanOutValues::kReal, [&](FanOutProblem<TypeParam>& problem) {
    FanOutProblem<TypeParam> expected = problem;
    FanOutReference(expected.Args());
    for (const BlockShape blocks : BlockShapesOf(TunedKernel::kFanOut, 0)) {
      FanOutProblem<TypeParam> actual = problem;
      DeviceProblem<TypeParam> device(actual, this->stream_);
      ASSERT_CUDA(device.error());
      ASSERT_CUDA(FanOut(device.args, this->stream_, blocks));
      ASSERT_CUDA(device.x_out.CopyBack(actual.x_out.all, this->stream_));
      ASSERT_CUDA(device.z_out.CopyBack(actual.z_out.all, this->stream_));
      EXPECT_TRUE(SameBits(actual.x_out, expected.x_out)) << blocks.warps << " warps";
      EXPECT_TRUE(SameBits(actual.z_out, expected.z_out)) << blocks.warps << " warps";
    }
  });
}

// A launch goes to the given stream and to no other, or it could not be captured.
TYPED_TEST(FanOutGpuTest, CanBeCapturedInAGraph) {
  FanOutProblem<TypeParam> problem({17, 33, 12, 64}, FanOutEdits::kMany, 0, FanOutValues::kReal);
  FanOutProblem<TypeParam> expected = problem;
  FanOutReference(expected.Args());
  DeviceProblem<TypeParam> device(problem, this->stream_);
  ASSERT_CUDA(device.error());
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  size_t nodes = 0;
  ASSERT_CUDA(cudaStreamBeginCapture(this->stream_, cudaStreamCaptureModeGlobal));
  ASSERT_CUDA(FanOut(device.args, this->stream_, {8}));
  ASSERT_CUDA(cudaStreamEndCapture(this->stream_, &graph));
  ASSERT_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
  EXPECT_EQ(nodes, 1U) << "one launch a layer";
  ASSERT_CUDA(cudaGraphInstantiate(&executable, graph, 0));
  ASSERT_CUDA(cudaGraphLaunch(executable, this->stream_));
  ASSERT_CUDA(device.z_out.CopyBack(problem.z_out.all, this->stream_));
  EXPECT_TRUE(SameBits(problem.z_out, expected.z_out));
  ASSERT_CUDA(cudaGraphExecDestroy(executable));
  ASSERT_CUDA(cudaGraphDestroy(graph));
}

TEST(FanOutLaunchTest, RefusesBadArgumentsWithoutTouchingADevice) {
  EXPECT_EQ(FanOut(FanOutArgs<float>{.n_tokens_out = 3, .n_heads = 2, .d_head = 4}, nullptr, {8}),
            cudaErrorInvalidValue);
  EXPECT_EQ(FanOut(FanOutArgs<double>{.n_tokens_out = -1, .n_heads = 2, .d_head = 4}, nullptr, {8}),
            cudaErrorInvalidValue);
  EXPECT_EQ(FanOut(FanOutArgs<float>{}, nullptr, {8}), cudaErrorInvalidValue);
}

TEST(FanOutLaunchTest, NoTokensIsNoLaunch) {
  EXPECT_EQ(FanOut(FanOutArgs<float>{.n_heads = 2, .d_head = 4}, nullptr, {8}), cudaSuccess);
  EXPECT_EQ(FanOut(FanOutArgs<double>{.n_heads = 2, .d_head = 4}, nullptr, {8}), cudaSuccess);
  EXPECT_EQ(FanOut(FanOutArgs<float>{.n_heads = 2, .d_head = 4}, nullptr, {1}), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace ablate::kernels
