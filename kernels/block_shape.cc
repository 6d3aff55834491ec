#include "kernels/block_shape.h"

#include <algorithm>
#include <bit>
#include <span>

namespace ablate::kernels {
namespace {

// What every GPU gives a block without being asked for more.
constexpr int64_t kSharedBytes = 48 << 10;

// The usual ones in front, of those that fit. Many queries share a walk over a long row's keys; a short row has work
// for few warps.
constexpr BlockShape kAttendShapes[] = {{4, 4}, {8, 4}, {2, 4}, {8, 1}, {4, 1}, {1, 1}};
constexpr BlockShape kFanOutShapes[] = {{8}, {2}, {4}, {16}};
constexpr BlockShape kRowShapes[] = {{4}, {1}, {2}, {8}};
// A block has a row. A scan's rows are about as many as an H100's multiprocessors: by arithmetic the loads that a block
// has under way decide how long a walk over a vocabulary takes.
constexpr BlockShape kReadoutShapes[] = {{16}, {8}, {32}};

std::span<const BlockShape> AllShapesOf(TunedKernel kernel) {
  switch (kernel) {
    case TunedKernel::kAttend:
      return kAttendShapes;
    case TunedKernel::kFanOut:
      return kFanOutShapes;
    case TunedKernel::kLayerNorm:
    case TunedKernel::kRoundRows:
      return kRowShapes;
    case TunedKernel::kReadout:
      return kReadoutShapes;
  }
  return {};
}

bool Fits(TunedKernel kernel, int64_t width, BlockShape shape) {
  if (kernel != TunedKernel::kAttend) return true;
  // Heads that are no whole packs of four have the one instance, whose warps take a query at a time.
  if (width % 4 != 0 && shape.queries > 1) return false;
  return AttendSharedBytes(width, shape) <= kSharedBytes;
}

int64_t RoundUp(int64_t n) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(n, 1))));
}

}  // namespace

LaunchKind KindOf(TunedKernel kernel, int64_t width, int64_t n, int64_t each, int64_t keys) {
  return {kernel, width, RoundUp(n), RoundUp(each), RoundUp(keys)};
}

std::vector<BlockShape> BlockShapesOf(TunedKernel kernel, int64_t width) {
  std::vector<BlockShape> shapes;
  for (const BlockShape shape : AllShapesOf(kernel)) {
    if (Fits(kernel, width, shape)) shapes.push_back(shape);
  }
  return shapes;
}

BlockShape UsualBlockShape(TunedKernel kernel, int64_t width) {
  for (const BlockShape shape : AllShapesOf(kernel)) {
    if (Fits(kernel, width, shape)) return shape;
  }
  return AllShapesOf(kernel).back();  // heads that attend does not take
}

bool TakesBlockShape(TunedKernel kernel, int64_t width, BlockShape shape) {
  return std::ranges::count(AllShapesOf(kernel), shape) > 0 && Fits(kernel, width, shape);
}

int64_t AttendSharedBytes(int64_t d_head, BlockShape shape) {
  const int64_t group = int64_t{shape.warps} * shape.queries;
  const int64_t of_rows = kAttendTile * (2 * d_head + kAttendKeyGap) + group * (2 * d_head + 2);
  // Queries and states: of each warp, and of all.
  const int64_t of_singles = shape.queries * (d_head + (int64_t{shape.warps} + 1) * (d_head + 2));
  return static_cast<int64_t>(sizeof(float)) * std::max(of_rows, of_singles);
}

}  // namespace ablate::kernels
