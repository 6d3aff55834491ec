// Which blocks a kernel may take, and that the fastest of them is taken.
#include "kernels/block_shapes.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/attend_check.h"
#include "kernels/readout.h"

namespace ablate::kernels {
namespace {

constexpr auto kNever = std::chrono::steady_clock::time_point::max();

int32_t MostWarps(TunedKernel kernel) {
  switch (kernel) {
    case TunedKernel::kAttend:
      return kMostAttendWarps;
    case TunedKernel::kFanOut:
      return kMostFanOutWarps;
    case TunedKernel::kReadout:
      return kMostReadoutWarps;
    case TunedKernel::kLayerNorm:
    case TunedKernel::kRoundRows:
      return kMostRowWarps;
  }
  return 0;
}

TEST(BlockShapeTest, FitsWhatItsKernelIsCompiledFor) {
  for (const TunedKernel kernel : kTunedKernels) {
    for (int64_t width = 1; width <= kAttendMaxHeadSize; ++width) {
      const std::vector<BlockShape> shapes = BlockShapesOf(kernel, width);
      ASSERT_FALSE(shapes.empty());
      EXPECT_EQ(shapes[0], UsualBlockShape(kernel, width));
      for (const BlockShape shape : shapes) {
        EXPECT_TRUE(TakesBlockShape(kernel, width, shape));
        EXPECT_GE(shape.warps, kernel == TunedKernel::kReadout ? (kMaxTopK + 31) / 32 : 1);
        EXPECT_LE(shape.warps, MostWarps(kernel));
        if (kernel == TunedKernel::kAttend) {
          EXPECT_LE(AttendSharedBytes(width, shape), 48 << 10);
        } else {
          EXPECT_EQ(shape.queries, 1);
        }
      }
    }
    EXPECT_FALSE(TakesBlockShape(kernel, 64, {3, 1}));
    EXPECT_FALSE(TakesBlockShape(kernel, 64, {4, 3}));
    EXPECT_FALSE(TakesBlockShape(kernel, 64, {0, 0}));
  }
}

TEST(BlockShapeTest, LargeHeadsLeaveNoRoomForLargeGroups) {
  EXPECT_EQ(UsualBlockShape(TunedKernel::kAttend, 64), (BlockShape{4, 4}));
  EXPECT_TRUE(TakesBlockShape(TunedKernel::kAttend, 64, {8, 4}));
  EXPECT_FALSE(TakesBlockShape(TunedKernel::kAttend, 128, {4, 4}));
  EXPECT_EQ(UsualBlockShape(TunedKernel::kAttend, 128), (BlockShape{2, 4}));
  // No whole packs.
  EXPECT_EQ(UsualBlockShape(TunedKernel::kAttend, 33), (BlockShape{8, 1}));
  EXPECT_FALSE(TakesBlockShape(TunedKernel::kAttend, 33, {4, 4}));
  // A tile of keys, with what lies between them, and of values; 16 queries and their states.
  EXPECT_EQ(AttendSharedBytes(128, {4, 4}), 4 * (32 * 132 + 32 * 128 + 16 * 128 + 16 * 130));
}

TEST(BlockShapeTest, KindsAreRoundedUp) {
  EXPECT_EQ(KindOf(TunedKernel::kAttend, 64, 144 * 12, 6), KindOf(TunedKernel::kAttend, 64, 2048, 8));
  EXPECT_NE(KindOf(TunedKernel::kAttend, 64, 2049, 6), KindOf(TunedKernel::kAttend, 64, 2048, 6));
  EXPECT_NE(KindOf(TunedKernel::kLayerNorm, 768, 8), KindOf(TunedKernel::kLayerNorm, 1024, 8));
  EXPECT_EQ(KindOf(TunedKernel::kLayerNorm, 768, 0).n, 1);
  EXPECT_NE(KindOf(TunedKernel::kAttend, 64, 2048, 1, 6), KindOf(TunedKernel::kAttend, 64, 2048, 1, 1024));
}

const LaunchKind kKind = KindOf(TunedKernel::kLayerNorm, 768, 100);

TEST(BlockShapesTest, TakesTheFastestThatItMeasured) {
  BlockShapes shapes;
  EXPECT_EQ(shapes.Of(kKind), UsualBlockShape(TunedKernel::kLayerNorm, 768));
  EXPECT_TRUE(shapes.WouldMeasure(kKind));
  int n_timed = 0;
  const auto time = [&](BlockShape shape, int /*runs*/) {
    ++n_timed;
    return std::optional(shape.warps == 2 ? 5.0 : 10.0);
  };
  shapes.Measure(kKind, time, kNever);
  EXPECT_EQ(shapes.Of(kKind), (BlockShape{2, 1}));
  EXPECT_EQ(shapes.n_measured(), 1);
  EXPECT_FALSE(shapes.WouldMeasure(kKind));
  EXPECT_TRUE(shapes.WouldMeasure(KindOf(TunedKernel::kLayerNorm, 768, 200)));
  const int once = n_timed;
  shapes.Measure(kKind, time, kNever);
  EXPECT_EQ(n_timed, once) << "measured twice";
  ASSERT_EQ(shapes.measured().size(), 1U);
  EXPECT_EQ(shapes.measured()[0].kind, kKind);
  EXPECT_EQ(shapes.measured()[0].microseconds, 5);
}

TEST(BlockShapesTest, OnesThatFailAreOut) {
  BlockShapes shapes;
  shapes.Measure(
      kKind, [](BlockShape shape, int) { return shape.warps == 8 ? std::optional(10.0) : std::nullopt; }, kNever);
  EXPECT_EQ(shapes.Of(kKind), (BlockShape{8, 1}));
  const LaunchKind other = KindOf(TunedKernel::kFanOut, 768, 100);
  shapes.Measure(other, [](BlockShape, int) { return std::nullopt; }, kNever);
  EXPECT_EQ(shapes.Of(other), UsualBlockShape(TunedKernel::kFanOut, 768));
  EXPECT_FALSE(shapes.WouldMeasure(other)) << "it would fail again";
  EXPECT_EQ(shapes.n_measured(), 1);
}

TEST(BlockShapesTest, NothingIsKeptBehindTheDeadline) {
  BlockShapes shapes;
  shapes.Measure(kKind, [](BlockShape, int) { return std::optional(1.0); }, std::chrono::steady_clock::now());
  EXPECT_TRUE(shapes.measured().empty());
  EXPECT_TRUE(shapes.WouldMeasure(kKind));
}

TEST(BlockShapesTest, AdoptsWhatTheKernelTakes) {
  BlockShapes shapes;
  shapes.Adopt({kKind, {7, 1}, 5});
  shapes.Adopt({KindOf(TunedKernel::kAttend, 128, 4), {4, 4}, 5});  // too large for such heads
  EXPECT_TRUE(shapes.measured().empty());
  shapes.Adopt({kKind, {1, 1}, 5});
  EXPECT_EQ(shapes.Of(kKind), (BlockShape{1, 1}));
  EXPECT_EQ(shapes.n_measured(), 0) << "not here";
  EXPECT_FALSE(shapes.WouldMeasure(kKind));
  shapes.Adopt({kKind, {2, 1}, 1});
  EXPECT_EQ(shapes.Of(kKind), (BlockShape{1, 1})) << "what is known stays";
}

}  // namespace
}  // namespace ablate::kernels
