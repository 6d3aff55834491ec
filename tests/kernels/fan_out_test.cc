// fan_out on the host: the reference against an oracle written the other way round, and the CPU version and the CUDA
// kernel's own source (shim/launch.h) against the reference, bit for bit.
#include "tests/kernels/shim/device_language.h"
// After the shim.
#include <cstdint>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/fan_out_cpu.h"
#include "kernels/fan_out_kernel.cuh"
#include "kernels/fan_out_reference.h"
#include "tests/kernels/fan_out_cases.h"

namespace ablate::kernels {
namespace {

const BlockShape kUsual = UsualBlockShape(TunedKernel::kFanOut, 768);

// `grid`: at most so many blocks, which then stride over the tokens.
template <typename T>
void RunKernelOnHost(const FanOutArgs<T>& args, const FanOutShape& shape, uint32_t seed, uint32_t grid = 64) {
  constexpr int kWidth = kPackBytes / sizeof(T);
  const shim::LaunchShape launch = {.grid = {.x = std::min(shape.grid, grid)},
                                    .block = {.x = shape.block_x, .y = shape.block_y}};
  ASSERT_EQ(
      shim::Launch(launch, seed, [&] { shape.width == 1 ? FanOutKernel<T, 1>(args) : FanOutKernel<T, kWidth>(args); }),
      "");
}

// What fan_out means, edit by edit instead of token by token, in integers.
template <typename T>
void ExpectAsDefined(FanOutProblem<T>& p) {
  const int64_t heads = p.geometry.n_heads, size = p.geometry.d_head, d_model = heads * size;
  std::vector<int64_t> x_out, z_out;
  for (const int32_t source : p.source_token) {
    for (int64_t d = 0; d < d_model; ++d) {
      x_out.push_back(static_cast<int64_t>(p.x[source * d_model + d]) + static_cast<int64_t>(p.bias[d]));
      z_out.push_back(static_cast<int64_t>(p.z[source * d_model + d]));
    }
  }
  for (size_t r = 0; r + 1 < p.row_edit_begin.size(); ++r) {
    for (int32_t e = p.row_edit_begin[r]; e < p.row_edit_begin[r + 1]; ++e) {
      const HeadEdit& edit = p.edits[e];
      for (size_t m = 0; m < p.row.size(); ++m) {
        const int64_t position = p.position[m];
        if (p.row[m] != static_cast<int32_t>(r) || position < edit.first_position || position >= edit.end_position)
          continue;
        const int64_t source = edit.source_first >= 0 ? edit.source_first + position : p.source_token[m];
        for (int64_t i = 0; i < size; ++i) {
          int64_t value =
              static_cast<int64_t>(edit.scale) * static_cast<int64_t>(p.z[source * d_model + edit.head * size + i]);
          if (edit.entry >= 0)
            value += static_cast<int64_t>(p.table[(edit.entry + edit.entry_stride * position) * size + i]);
          z_out[m * d_model + edit.head * size + i] = value;
        }
      }
    }
  }
  for (size_t i = 0; i < x_out.size(); ++i) {
    ASSERT_EQ(p.x_out[i], static_cast<T>(x_out[i])) << "x_out, element " << i;
    ASSERT_EQ(p.z_out[i], static_cast<T>(z_out[i])) << "z_out, element " << i;
  }
}

template <typename T>
class FanOutTest : public testing::Test {};
using ElementTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(FanOutTest, ElementTypes);

TYPED_TEST(FanOutTest, ReferenceComputesWhatIsDefined) {
  ForEachFanOutProblem<TypeParam>(FanOutValues::kInteger, [](FanOutProblem<TypeParam>& problem) {
    FanOutReference(problem.Args());
    ExpectAsDefined(problem);
  });
}

TYPED_TEST(FanOutTest, CpuEqualsReference) {
  ForEachFanOutProblem<TypeParam>(FanOutValues::kReal, [](FanOutProblem<TypeParam>& problem) {
    FanOutProblem<TypeParam> expected = problem;
    FanOutReference(expected.Args());
    FanOutCpu(problem.Args(), 0, problem.geometry.n_tokens_out);
    EXPECT_TRUE(SameBits(problem.x_out, expected.x_out));
    EXPECT_TRUE(SameBits(problem.z_out, expected.z_out));
  });
}

TYPED_TEST(FanOutTest, CpuWritesItsRangeOnlyAndCutsDoNotShow) {
  FanOutProblem<TypeParam> whole({17, 33, 12, 8}, FanOutEdits::kMany, 0, FanOutValues::kReal);
  FanOutProblem<TypeParam> cut = whole;
  FanOutCpu(whole.Args(), 0, 33);
  const auto untouched = cut.x_out;
  FanOutCpu(cut.Args(), 5, 5);
  EXPECT_TRUE(SameBits(cut.x_out, untouched));
  FanOutCpu(cut.Args(), 20, 33);
  for (int64_t i = 0; i < 20 * 96; ++i) {
    ASSERT_EQ(cut.x_out[i], cut.kUnwritten);
    ASSERT_EQ(cut.z_out[i], cut.kUnwritten);
  }
  FanOutCpu(cut.Args(), 0, 1);
  FanOutCpu(cut.Args(), 1, 20);
  EXPECT_TRUE(SameBits(cut.x_out, whole.x_out));
  EXPECT_TRUE(SameBits(cut.z_out, whole.z_out));
}

TYPED_TEST(FanOutTest, KernelSourceEqualsReference) {
  ForEachFanOutProblem<TypeParam>(FanOutValues::kReal, [](FanOutProblem<TypeParam>& problem) {
    FanOutProblem<TypeParam> expected = problem;
    FanOutReference(expected.Args());
    RunKernelOnHost(problem.Args(), ShapeFanOut(problem.Args(), kUsual), 1);
    EXPECT_TRUE(SameBits(problem.x_out, expected.x_out));
    EXPECT_TRUE(SameBits(problem.z_out, expected.z_out));
  });
}

TYPED_TEST(FanOutTest, KernelDoesNotDependOnGridBlockOrOrder) {
  FanOutProblem<TypeParam> problem({17, 33, 12, 8}, FanOutEdits::kMany, 0, FanOutValues::kReal);
  FanOutProblem<TypeParam> expected = problem;
  FanOutReference(expected.Args());
  const FanOutShape chosen = ShapeFanOut(problem.Args(), kUsual);
  std::vector<FanOutShape> shapes = {{.width = 1, .block_x = 1, .block_y = 1, .grid = 1},
                                     {.width = chosen.width, .block_x = 5, .block_y = 3, .grid = 4},
                                     {.width = 1, .block_x = 256, .block_y = 1, .grid = 100},
                                     {.width = chosen.width, .block_x = 32, .block_y = 8, .grid = 1}};
  for (const BlockShape blocks : BlockShapesOf(TunedKernel::kFanOut, 96)) {
    shapes.push_back(ShapeFanOut(problem.Args(), blocks));
  }
  for (const FanOutShape& shape : shapes) {
    for (uint32_t seed = 0; seed < 8; ++seed) {
      FanOutProblem<TypeParam> actual = problem;
      RunKernelOnHost(actual.Args(), shape, seed, shape.grid);
      EXPECT_TRUE(SameBits(actual.x_out, expected.x_out)) << "grid " << shape.grid << ", width " << shape.width;
      EXPECT_TRUE(SameBits(actual.z_out, expected.z_out)) << "grid " << shape.grid << ", width " << shape.width;
    }
  }
}

// Two heads of two, by hand: token 0 in row 0 (baseline), token 1 twice in row 1 (head 1: half of z plus an entry; at
// position 1 only), token 1 in row 2 (head 0 from the token at 0 + position).
template <typename T, typename Run>
void ExpectHandComputed(Run run) {
  const T x[] = {1, 2, 3, 4, 5, 6, 7, 8}, z[] = {10, 20, 30, 40, 50, 60, 70, 80}, bias[] = {100, 200, 300, 400};
  const T table[] = {-1, -2, -3, -4};
  const int32_t source_token[] = {0, 1, 1, 1}, position[] = {0, 0, 1, 0}, row[] = {0, 1, 1, 2},
                row_edit_begin[] = {0, 0, 1, 2};
  const HeadEdit edits[] = {
      {.head = 1, .first_position = 1, .end_position = 2, .scale = 0.5F, .entry = 0, .entry_stride = 1},
      {.head = 0, .scale = 1.0F, .source_first = 0}};
  std::vector<T> x_out(16), z_out(16);
  const FanOutArgs<T> args = {.x = x,
                              .z = z,
                              .bias = bias,
                              .table = table,
                              .source_token = source_token,
                              .position = position,
                              .row = row,
                              .row_edit_begin = row_edit_begin,
                              .edits = edits,
                              .x_out = x_out.data(),
                              .z_out = z_out.data(),
                              .n_tokens_out = 4,
                              .n_heads = 2,
                              .d_head = 2};
  ASSERT_EQ(CheckFanOutTables(args, {.n_tokens_in = 2, .n_rows = 3, .n_edits = 2, .n_entries = 2}), "");
  run(args);
  EXPECT_EQ(x_out, (std::vector<T>{101, 202, 303, 404, 105, 206, 307, 408, 105, 206, 307, 408, 105, 206, 307, 408}));
  EXPECT_EQ(z_out, (std::vector<T>{10, 20, 30, 40, 50, 60, 70, 80, 50, 60, 35 - 3, 40 - 4, 10, 20, 70, 80}));
}

TYPED_TEST(FanOutTest, HandComputed) {
  using Args = FanOutArgs<TypeParam>;
  ExpectHandComputed<TypeParam>([](const Args& args) { FanOutReference(args); });
  ExpectHandComputed<TypeParam>([](const Args& args) { FanOutCpu(args, 0, args.n_tokens_out); });
  ExpectHandComputed<TypeParam>([](const Args& args) { RunKernelOnHost(args, ShapeFanOut(args, kUsual), 1); });
}

// A zero edit gives +0 and a replacement its very value, whatever z holds; elsewhere NaN and Inf pass through
// untouched.
template <typename T, typename Run>
void ExpectZeroBeatsNaN(Run run) {
  for (const T poison : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(), T{-3}}) {
    FanOutProblem<T> p({1, 2, 2, 4}, FanOutEdits::kNone, 0, FanOutValues::kReal);
    for (int64_t i = 0; i < p.z.size; ++i) p.z[i] = poison;
    p.row = {0, 1};
    p.position = {0, 0};
    p.row_edit_begin = {0, 1, 2};
    p.edits = {{.head = 0}, {.head = 0, .entry = 1}};
    p.table[4] = T{-0.0};
    ASSERT_EQ(CheckFanOutTables(p.Args(), p.Extents()), "");
    run(p.Args());
    for (int64_t i = 0; i < 4; ++i) {
      const T zero = 0;
      EXPECT_EQ(std::memcmp(&p.z_out[i], &zero, sizeof(T)), 0) << p.z_out[i];
      EXPECT_EQ(std::memcmp(&p.z_out[8 + i], &p.table[4 + i], sizeof(T)), 0) << p.z_out[8 + i];
      EXPECT_EQ(std::memcmp(&p.z_out[4 + i], &poison, sizeof(T)), 0) << p.z_out[4 + i];
    }
  }
}

TYPED_TEST(FanOutTest, ZeroedNaNAndInfDoNotSurvive) {
  using Args = FanOutArgs<TypeParam>;
  ExpectZeroBeatsNaN<TypeParam>([](const Args& args) { FanOutReference(args); });
  ExpectZeroBeatsNaN<TypeParam>([](const Args& args) { FanOutCpu(args, 0, args.n_tokens_out); });
  ExpectZeroBeatsNaN<TypeParam>([](const Args& args) { RunKernelOnHost(args, ShapeFanOut(args, kUsual), 1); });
}

TYPED_TEST(FanOutTest, NoTokensIsNoWork) {
  const FanOutArgs<TypeParam> args = {.n_heads = 12, .d_head = 64};
  EXPECT_EQ(CheckFanOut(args), "");
  FanOutReference(args);
  FanOutCpu(args, 0, 0);
}

// Wide accesses need every pointer aligned and whole packs in a head.
TYPED_TEST(FanOutTest, WidthFollowsAlignment) {
  using T = TypeParam;
  constexpr int32_t kWidth = 16 / sizeof(T);
  alignas(16) T memory[64] = {};
  const FanOutArgs<T> aligned = {.x = memory,
                                 .z = memory,
                                 .bias = memory,
                                 .x_out = memory + 16,
                                 .z_out = memory + 32,
                                 .n_tokens_out = 1,
                                 .n_heads = 1,
                                 .d_head = kWidth};
  EXPECT_EQ(ShapeFanOut(aligned, kUsual).width, kWidth);
  FanOutArgs<T> args = aligned;
  args.d_head = kWidth + 1;
  EXPECT_EQ(ShapeFanOut(args, kUsual).width, 1);
  args.d_head = 3 * kWidth;
  EXPECT_EQ(ShapeFanOut(args, kUsual).width, kWidth);
  for (const T* FanOutArgs<T>::* field :
       {&FanOutArgs<T>::x, &FanOutArgs<T>::z, &FanOutArgs<T>::bias, &FanOutArgs<T>::table}) {
    args = aligned;
    args.*field = memory + 1;
    EXPECT_EQ(ShapeFanOut(args, kUsual).width, 1);
  }
  for (T* FanOutArgs<T>::* field : {&FanOutArgs<T>::x_out, &FanOutArgs<T>::z_out}) {
    args = aligned;
    args.*field = memory + 17;
    EXPECT_EQ(ShapeFanOut(args, kUsual).width, 1);
  }
}

TEST(FanOutShapeTest, CoversAllTokensWithinCudaLimits) {
  for (const int64_t tokens : {int64_t{1}, int64_t{65536}, int64_t{1} << 31}) {
    for (const int32_t heads : {1, 12, 25, 262144}) {
      for (const int32_t d_head : {1, 3, 8, 64}) {
        for (const BlockShape blocks : BlockShapesOf(TunedKernel::kFanOut, int64_t{heads} * d_head)) {
          const FanOutShape shape =
              ShapeFanOut<float>({.n_tokens_out = tokens, .n_heads = heads, .d_head = d_head}, blocks);
          SCOPED_TRACE(testing::Message() << tokens << " tokens, " << heads << " x " << d_head);
          EXPECT_EQ(shape.block_x % 32, 0U);
          EXPECT_GE(shape.block_y, 1U);
          EXPECT_LE(shape.block_x * shape.block_y, 32U * static_cast<uint32_t>(blocks.warps));
          EXPECT_GE(shape.grid, 1U);
          EXPECT_LE(shape.grid, 2147483647U);
          // One pass over the tokens, or the largest grid and a second one.
          const int64_t at_once = int64_t{shape.grid} * shape.block_y;
          EXPECT_TRUE(at_once >= tokens || shape.grid == 2147483647U);
          EXPECT_LT(at_once - tokens, int64_t{shape.block_y});
        }
      }
    }
  }
}

TEST(FanOutShapeTest, SpreadsPassesEvenly) {
  // GPT-2 Small: 192 packs in one pass; XL: 400 in two of 224; a small model: 24 packs, eight tokens a block.
  EXPECT_EQ(ShapeFanOut<float>({.n_tokens_out = 9, .n_heads = 12, .d_head = 64}, kUsual).block_x, 192U);
  EXPECT_EQ(ShapeFanOut<float>({.n_tokens_out = 9, .n_heads = 25, .d_head = 64}, kUsual).block_x, 224U);
  const FanOutShape small = ShapeFanOut<float>({.n_tokens_out = 9, .n_heads = 12, .d_head = 8}, kUsual);
  EXPECT_EQ(small.block_x, 32U);
  EXPECT_EQ(small.block_y, 8U);
  EXPECT_EQ(small.grid, 2U);
}

// The comparison itself can fail.
TEST(SameBitsTest, SeesOneBitGuardsAndSigns) {
  const GuardedBuffer<float> buffer(3, 0, 0.0F);
  GuardedBuffer<float> other = buffer;
  EXPECT_TRUE(SameBits(other, buffer));
  other[1] = -0.0F;
  EXPECT_FALSE(SameBits(other, buffer));
  other = buffer;
  other[3] = 1.0F;
  EXPECT_FALSE(SameBits(other, buffer));
  EXPECT_FALSE(SameBits(GuardedBuffer<float>(4, 0, 0.0F), buffer));
}

}  // namespace
}  // namespace ablate::kernels
