// readout on a GPU against the CPU's, on the same problems as on the host. What needs no GPU runs everywhere.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/readout_launch.h"
#include "tests/kernels/gpu_test.h"
#include "tests/kernels/readout_cases.h"

namespace ablate::kernels {
namespace {

class ReadoutGpuTest : public GpuTest {
 protected:
  ReadoutAnswers RunReadout(const ReadoutProblem& p,
                            BlockShape blocks = UsualBlockShape(TunedKernel::kReadout, 50257)) {
    ReadoutAnswers answers = p.Room();
    const auto n_rows = static_cast<int64_t>(p.logits.size()) / p.stride;
    DeviceCopy<float> logits(p.logits, stream_);
    DeviceCopy<ReadoutTask> tasks(p.tasks, stream_);
    DeviceCopy<ReadoutSums> sums(std::vector<ReadoutSums>(static_cast<size_t>(n_rows)), stream_);
    DeviceCopy<ReadoutRow> rows(answers.rows, stream_);
    DeviceCopy<int32_t> top_k_id(answers.top_k_id, stream_);
    DeviceCopy<double> top_k_logprob(answers.top_k_logprob, stream_);
    for (const cudaError_t error :
         {logits.error(), tasks.error(), sums.error(), rows.error(), top_k_id.error(), top_k_logprob.error()}) {
      EXPECT_EQ(error, cudaSuccess);
    }
    ReadoutArgs args = {.logits = logits.data(),
                        .tasks = tasks.data(),
                        .sums = sums.data(),
                        .results = rows.data(),
                        .top_k_id = top_k_id.data(),
                        .top_k_logprob = top_k_logprob.data(),
                        .n_rows = n_rows,
                        .n_tasks = static_cast<int64_t>(p.tasks.size()),
                        .stride = p.stride,
                        .n_vocab = p.n_vocab};
    for (const ReadoutTask& task : p.tasks) args.most_top_k = std::max(args.most_top_k, task.top_k);
    EXPECT_EQ(Readout(args, stream_, blocks), cudaSuccess);
    EXPECT_EQ(rows.CopyBack(answers.rows, stream_), cudaSuccess);
    EXPECT_EQ(top_k_id.CopyBack(answers.top_k_id, stream_), cudaSuccess);
    EXPECT_EQ(top_k_logprob.CopyBack(answers.top_k_logprob, stream_), cudaSuccess);
    return answers;
  }
};

TEST_F(ReadoutGpuTest, EqualsTheCpuOnEveryKindOfRow) {
  for (const int32_t n_vocab : {1, 2, 7, 64, 300, 2829, 50257}) {
    for (const int64_t extra : {0, 3}) {
      SCOPED_TRACE(testing::Message() << "V " << n_vocab << ", stride " << n_vocab + extra);
      const ReadoutProblem p = EveryKindOfRow(n_vocab, n_vocab + extra);
      ExpectSameAnswers(RunReadout(p), ReadoutOnCpu(p));
    }
  }
}

TEST_F(ReadoutGpuTest, EqualsTheCpuInAllBlocks) {
  const ReadoutProblem p = EveryKindOfRow(50257, 50304);
  for (const BlockShape blocks : BlockShapesOf(TunedKernel::kReadout, 50257)) {
    SCOPED_TRACE(testing::Message() << blocks.warps << " warps");
    ExpectSameAnswers(RunReadout(p, blocks), ReadoutOnCpu(p));
  }
}

TEST_F(ReadoutGpuTest, GivesTheSameBitsAgain) {
  const ReadoutProblem p = EveryKindOfRow(50257, 50304);
  EXPECT_TRUE(SameAnswers(RunReadout(p), RunReadout(p)));
}

TEST(ReadoutLaunchTest, RefusesBadArgumentsWithoutTouchingADevice) {
  EXPECT_EQ(Readout({}, nullptr, {16}), cudaErrorInvalidValue);
  EXPECT_EQ(Readout({.n_rows = 1, .n_tasks = 1, .stride = 4, .n_vocab = 4}, nullptr, {16}), cudaErrorInvalidValue);
  EXPECT_EQ(Readout({.stride = 4, .n_vocab = 4}, nullptr, {16}), cudaSuccess);
  EXPECT_EQ(Readout({.stride = 4, .n_vocab = 4}, nullptr, {2}), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace ablate::kernels
