// attend's CUDA kernel, its own source on the host (shim/launch.h), against float64, with the threads in many orders.
#include "tests/kernels/shim/device_language.h"
// After the shim.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/attend_check.h"
#include "kernels/attend_kernel.cuh"
#include "tests/kernels/attend_cases.h"

namespace ablate::kernels {
namespace {

constexpr uint32_t kOrders = 8;

// z [N, H, Dh]. `offset`: elements from 16-byte alignment.
std::vector<float> RunAttend(const AttendProblem<float>& p, uint32_t seed, int64_t offset = 0,
                             std::optional<BlockShape> in_blocks = std::nullopt) {
  const BlockShape blocks = in_blocks.value_or(UsualBlockShape(TunedKernel::kAttend, p.d_head));
  std::vector<float> z;
  AttendArgs<float> args = p.Args(z);
  std::vector<float> moved(p.qkv.size() + static_cast<size_t>(offset));
  std::copy(p.qkv.begin(), p.qkv.end(), moved.begin() + offset);
  args.qkv = moved.data() + offset;
  const auto n_rows = static_cast<int64_t>(p.rows.size());
  EXPECT_EQ(CheckAttend(args, n_rows), "");
  const shim::LaunchShape shape = {.grid = {.x = AttendGrid(args, n_rows)},
                                   .block = {.x = kWarpLanes, .y = static_cast<uint32_t>(blocks.warps)},
                                   .shared_bytes = static_cast<size_t>(AttendSharedBytes(args.d_head, blocks))};
  EXPECT_EQ(WithAttendKernel(args, blocks,
                             [&](auto kernel) { return shim::Launch(shape, seed, [&] { kernel(args, n_rows); }); }),
            "");
  return z;
}

TEST(AttendKernelTest, MatchesFloat64OnRaggedShapes) {
  for (const int32_t d_head : {1, 8, 12, 33, 64, 80, 128}) {
    const AttendProblem<float> p = RaggedAttendProblem<float>(2, d_head);
    EXPECT_EQ(FindAttendError(p, RunAttend(p, 1)), "");
    EXPECT_EQ(FindAttendError(p, RunAttend(p, 1, /*offset=*/1)), "") << "unaligned";
  }
}

TEST(AttendKernelTest, OrderDoesNotChangeBits) {
  for (const int32_t d_head : {12, 33, 64, 128}) {
    AttendProblem<float> p{2, d_head, {}, 0, {}, {}};
    p.AddPrompt(40, {0, 7, 33, 39, 39});
    p.AddPrompt(3, {2});
    p.Fill(6);
    const std::vector<float> first = RunAttend(p, 0);
    for (uint32_t seed = 1; seed < kOrders; ++seed) {
      ASSERT_EQ(RunAttend(p, seed), first) << "order " << seed << ", d_head " << d_head;
    }
  }
}

// Of which a GPU takes the fastest.
TEST(AttendKernelTest, BlocksDoNotChangeBits) {
  for (const int32_t d_head : {12, 64, 128}) {
    AttendProblem<float> p{2, d_head, {}, 0, {}, {}};
    p.AddPrompt(70, {0, 33, 69});
    p.AddPrompt(3, {2});
    p.Fill(7);
    for (const int64_t offset : {0, 1}) {
      const std::vector<float> usual = RunAttend(p, 0, offset);
      ASSERT_EQ(FindAttendError(p, usual), "");
      for (const BlockShape blocks : BlockShapesOf(TunedKernel::kAttend, d_head)) {
        ASSERT_EQ(RunAttend(p, 1, offset, blocks), usual) << blocks.warps << " warps of " << blocks.queries;
      }
    }
  }
}

// A row's last tokens, which read all earlier ones from a baseline that another launch has run.
TEST(AttendKernelTest, MatchesFloat64On1024Tokens) {
  AttendProblem<float> p{1, 64, {}, 1024, {}, {}};
  p.AddRow(1000, 1024, 0);
  p.Fill(1024);
  EXPECT_EQ(FindAttendError(p, RunAttend(p, 1)), "");
}

TEST(AttendKernelTest, LargeScoresDoNotOverflow) {
  AttendProblem<float> p{1, 64, {}, 0, {}, {}};
  p.AddPrompt(40, {});
  p.Fill(3);
  for (float& x : p.qkv) x *= 30;
  EXPECT_EQ(FindAttendError(p, RunAttend(p, 1)), "");
}

// A row from `begin` on whose tokens are the baseline's own: every position as in the baseline, bit for bit.
TEST(AttendKernelTest, RowFromALaterBeginEqualsTheFullRow) {
  for (const int32_t n : {6, 40, 100}) {
    for (const int32_t begin : {1, 5, 31, 32, n - 1}) {
      if (begin >= n) continue;
      AttendProblem<float> p{2, 64, {}, 0, {}, {}};
      p.AddPrompt(n, {begin});
      p.Fill(static_cast<uint32_t>(n));
      const int64_t size = int64_t{3} * 2 * 64, width = int64_t{2} * 64;
      std::copy_n(p.qkv.begin() + begin * size, (n - begin) * size, p.qkv.begin() + n * size);
      const std::vector<float> z = RunAttend(p, 2);
      EXPECT_TRUE(std::equal(z.begin() + n * width, z.end(), z.begin() + begin * width))
          << "from " << begin << " of " << n;
    }
  }
}

// Which go through their keys together, by segments of 256 positions that several warps take.
TEST(AttendKernelTest, RowsOfOneTokenEqualTheLastOfMany) {
  for (const int32_t d_head : {12, 33, 64, 128}) {
    for (const int32_t last : {1, 31, 32, 255, 256, 600}) {
      const AttendProblem<float> p = SinglesProblem<float>(2, d_head, last, 6);
      for (const BlockShape blocks : BlockShapesOf(TunedKernel::kAttend, d_head)) {
        SCOPED_TRACE(testing::Message() << last << ", " << blocks.warps << " warps of " << blocks.queries);
        const std::vector<float> z = RunAttend(p, 3, 0, blocks);
        EXPECT_EQ(FindAttendError(p, z), "");
        EXPECT_EQ(FindOtherSingle(p, z), "");
      }
    }
  }
}

// Fewer warps than segments, and as many; a group of queries on both sides of a segment's edge.
TEST(AttendKernelTest, OrderOfSegmentsDoesNotChangeBits) {
  const AttendProblem<float> singles = SinglesProblem<float>(1, 12, 600, 5);
  AttendProblem<float> edge{1, 12, {}, 256 + 9, {}, {}};
  edge.AddRow(256 - 9, 256 + 9, 0);
  edge.Fill(9);
  for (const AttendProblem<float>& p : {singles, edge}) {
    const std::vector<float> first = RunAttend(p, 0);
    EXPECT_EQ(FindAttendError(p, first), "");
    for (const BlockShape blocks : BlockShapesOf(TunedKernel::kAttend, 12)) {
      for (uint32_t seed = 1; seed < kOrders; ++seed) ASSERT_EQ(RunAttend(p, seed, 0, blocks), first) << blocks.warps;
    }
  }
}

TEST(AttendKernelTest, NanAndInfReachTheFutureOnly) {
  ExpectNanAndInfReachTheFutureOnly({6, 40}, [](const AttendProblem<float>& p) { return RunAttend(p, 1); });
}

TEST(AttendKernelTest, EmptyRowsWriteNothing) {
  AttendProblem<float> p{2, 8, {}, 0, {}, {}};
  p.AddRow(0, 3, 0);
  p.AddRow(3, 3, 0);
  p.Fill(1);
  const std::vector<float> z = RunAttend(p, 1);
  EXPECT_EQ(std::count(z.begin(), z.end(), p.kUnwritten), 0);
  EXPECT_EQ(FindAttendError(p, z), "");
}

TEST(AttendCheckTest, NamesWhatIsWrong) {
  AttendProblem<float> p = RaggedAttendProblem<float>(2, 8);
  std::vector<float> z;
  const AttendArgs<float> good = p.Args(z);
  const auto problem = [&](auto change, int64_t n_rows = 3) {
    AttendArgs<float> args = good;
    change(args);
    return CheckAttend(args, n_rows);
  };
  using Args = AttendArgs<float>;
  EXPECT_EQ(problem([](Args&) {}), "");
  EXPECT_EQ(problem([](Args& a) { a = {.n_heads = 2, .d_head = 8, .scale = 1}; }, 0), "");
  EXPECT_EQ(problem([](Args&) {}, -1), "attend: n_rows is -1; expected 0 to 2147483648");
  EXPECT_EQ(problem([](Args& a) { a.d_head = 129; }), "attend: d_head is 129; expected 1 to 128");
  EXPECT_EQ(problem([](Args& a) { a.rows = nullptr; }),
            "attend: rows is null; expected a pointer, since there are rows");
  EXPECT_NE(problem([](Args& a) { a.scale = -1; }), "");
  EXPECT_NE(problem([](Args& a) { a.n_heads = 0; }), "");
  EXPECT_NE(problem([](Args& a) { a.z = const_cast<float*>(a.qkv); }), "");
}

}  // namespace
}  // namespace ablate::kernels
