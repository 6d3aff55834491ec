// readout's CUDA kernels, their own source on the host (shim/launch.h), against the CPU's kernel, which its own test
// holds to the definitions; with the threads in many orders.
#include "tests/kernels/shim/device_language.h"
// After the shim.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/readout_check.h"
#include "kernels/readout_kernel.cuh"
#include "tests/kernels/readout_cases.h"

namespace ablate::kernels {
namespace {

constexpr uint32_t kOrders = 8;

ReadoutAnswers RunKernels(const ReadoutProblem& p, uint32_t seed,
                          BlockShape blocks = UsualBlockShape(TunedKernel::kReadout, 50257)) {
  ReadoutAnswers answers = p.Room();
  const auto n_rows = static_cast<int64_t>(p.logits.size()) / p.stride;
  std::vector<ReadoutSums> sums(static_cast<size_t>(n_rows));
  ReadoutArgs args = {.logits = p.logits.data(),
                      .tasks = p.tasks.data(),
                      .sums = sums.data(),
                      .results = answers.rows.data(),
                      .top_k_id = answers.top_k_id.data(),
                      .top_k_logprob = answers.top_k_logprob.data(),
                      .n_rows = n_rows,
                      .n_tasks = static_cast<int64_t>(p.tasks.size()),
                      .stride = p.stride,
                      .n_vocab = p.n_vocab};
  for (const ReadoutTask& task : p.tasks) args.most_top_k = std::max(args.most_top_k, task.top_k);
  EXPECT_EQ(CheckReadoutTasks(args, p.tasks.data()), "");
  const std::string error =
      RunReadoutKernels(args, std::string(), [&](auto kernel, uint32_t grid, size_t shared_bytes) {
        const shim::LaunchShape shape = {.grid = {.x = grid},
                                         .block = {.x = static_cast<uint32_t>(blocks.warps) * kWarpLanes},
                                         .shared_bytes = shared_bytes};
        return shim::Launch(shape, seed, [&] { kernel(args); });
      });
  EXPECT_EQ(error, "");
  return answers;
}

TEST(ReadoutKernelTest, EqualsTheCpuOnEveryKindOfRow) {
  for (const int32_t n_vocab : {1, 7, 300, 2829}) {
    for (const int64_t extra : {0, 3}) {
      SCOPED_TRACE(testing::Message() << "V " << n_vocab << ", stride " << n_vocab + extra);
      const ReadoutProblem p = EveryKindOfRow(n_vocab, n_vocab + extra);
      ExpectSameAnswers(RunKernels(p, 1), ReadoutOnCpu(p));
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(ReadoutKernelTest, OrderDoesNotChangeBits) {
  for (const int64_t stride : {2829, 2832}) {
    const ReadoutProblem p = EveryKindOfRow(2829, stride);
    const ReadoutAnswers first = RunKernels(p, 0);
    for (uint32_t seed = 1; seed < kOrders; ++seed) EXPECT_TRUE(SameAnswers(RunKernels(p, seed), first)) << seed;
  }
}

TEST(ReadoutKernelTest, EqualsTheCpuInAllBlocks) {
  const ReadoutProblem p = EveryKindOfRow(2829, 2832);
  for (const BlockShape blocks : BlockShapesOf(TunedKernel::kReadout, 2829)) {
    SCOPED_TRACE(testing::Message() << blocks.warps << " warps");
    ExpectSameAnswers(RunKernels(p, 1, blocks), ReadoutOnCpu(p));
  }
}

TEST(ReadoutKernelTest, EqualsTheCpuOnGpt2sVocabulary) {
  ReadoutProblem p(50257, 50304);
  p.AddRow(NormalLogits(50257, 4, 2.5, -100));
  p.AddRow(NormalLogits(50257, 5, 2.5, -100));
  p.AddTask(0, 0, 17, 50256, 10);
  p.AddTask(1, 0, 17, 50256, 100);
  ExpectSameAnswers(RunKernels(p, 1), ReadoutOnCpu(p));
}

// Rows that differ by 1e-5: the naive sum of p (lp_base - lp_var) in float32 is noise here.
TEST(ReadoutKernelTest, TinyKlKeepsItsDigits) {
  ReadoutProblem p(2828, 2828);
  const std::vector<float> base = NormalLogits(2828, 41, 0.5, 1), noise = NormalLogits(2828, 42, 1.4e-5, 0);
  std::vector<float> y = base;
  for (size_t i = 0; i < y.size(); ++i) y[i] += noise[i];
  p.AddRow(base);
  p.AddRow(y);
  p.AddTask(1, 0, 0, 1, 0);
  const double expected = ReadoutOnCpu(p).rows[0].kl_divergence,
               common = 16 * std::numeric_limits<float>::epsilon() / 2;
  EXPECT_GT(expected, 2e-11);
  EXPECT_LT(expected, 5e-10);
  EXPECT_NEAR(RunKernels(p, 1).rows[0].kl_divergence, expected, common * common + 2e-3 * expected);
}

TEST(ReadoutKernelTest, KlOfEqualRowsIsExactlyZero) {
  ReadoutProblem p(2828, 2828);
  const std::vector<float> y = NormalLogits(2828, 51, 4, -90);
  p.AddRow(y);
  p.AddRow(y);
  p.AddTask(0, 0, 0, 0, 0);
  p.AddTask(1, 0, 0, 0, 0);
  for (const ReadoutRow& row : RunKernels(p, 1).rows) EXPECT_EQ(row.kl_divergence, 0);
}

TEST(ReadoutCheckTest, NamesWhatIsWrong) {
  float logits[8] = {};
  ReadoutTask tasks[2] = {{.target_id = 1, .contrast_id = 2, .top_k = 3}, {}};
  ReadoutSums sums[2] = {};
  ReadoutRow rows[2] = {};
  int32_t ids[3] = {};
  double logprobs[3] = {};
  const ReadoutArgs good = {.logits = logits,
                            .tasks = tasks,
                            .sums = sums,
                            .results = rows,
                            .top_k_id = ids,
                            .top_k_logprob = logprobs,
                            .n_rows = 2,
                            .n_tasks = 2,
                            .stride = 4,
                            .n_vocab = 4,
                            .most_top_k = 3};
  const auto problem = [&](auto change) {
    ReadoutArgs args = good;
    change(args);
    return CheckReadout(args);
  };
  using Args = ReadoutArgs;
  EXPECT_EQ(problem([](Args&) {}), "");
  EXPECT_EQ(problem([](Args& a) { a = {.stride = 4, .n_vocab = 4}; }), "") << "no tasks need no pointers";
  EXPECT_EQ(problem([](Args& a) { a.stride = 3; }), "readout: stride is 3; expected 4 to 33554432");
  EXPECT_EQ(problem([](Args& a) { a.most_top_k = 5; }), "readout: most_top_k is 5; expected 0 to 4");
  EXPECT_EQ(problem([](Args& a) { a.sums = nullptr; }),
            "readout: sums is null; expected a pointer, since there are tasks");
  EXPECT_NE(problem([](Args& a) { a.top_k_id = nullptr; }), "");
  EXPECT_EQ(problem([](Args& a) { a.top_k_id = nullptr, a.top_k_logprob = nullptr, a.most_top_k = 0; }), "");
  EXPECT_EQ(CheckReadoutTasks(good, tasks), "");
  tasks[1].baseline_row = 2;
  EXPECT_EQ(CheckReadoutTasks(good, tasks), "readout: tasks[1].baseline_row is 2; expected 0 to 1");
  tasks[1] = {.target_id = 4};
  EXPECT_EQ(CheckReadoutTasks(good, tasks), "readout: tasks[1].target_id is 4; expected -1 to 3");
}

}  // namespace
}  // namespace ablate::kernels
