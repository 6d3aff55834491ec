#include "kernels/block_shape.h"

#include <algorithm>
#include <bit>
#include <span>

namespace ablate::kernels {
namespace {

// What every GPU gives a block without being asked for more.
constexpr int64_t kSharedBytes = 48 << 10;

// The usual ones in front, of those that fit. Many queries share a walk over a long row's keys; of a row with one query a warp alone has
// work.
constexpr BlockShape kAttendShapes[] = {{4, 4}, {8, 4}, {2, 4}, {8, 1}, {4, 1}, {1, 1}};
constexpr BlockShape kFanOutShapes[] = {{8}, {2}, {4}, {16}};
constexpr BlockShape kRowShapes[] = {{4}, {1}, {2}, {8}};
// A block has a row. A scan's rows are about as many as an H100's multiprocessors, and a block's loads under way, so few
// as they are, decide how long a walk over a vocabulary takes.
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
  return kernel != TunedKernel::kAttend || AttendSharedBytes(width, shape) <= kSharedBytes;
}

uint64_t RoundUp(int64_t n) {
  return std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(n, 1)));
}

}  // namespace

LaunchKind KindOf(TunedKernel kernel, int64_t width, int64_t n, int64_t each) {
  return {kernel, width, static_cast<int64_t>(RoundUp(n)), static_cast<int64_t>(RoundUp(each))};
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
  // Of a key, and what lies between it and the next: an element or a pack of four.
  const int64_t key = std::max(d_head | 1, d_head + 4);
  const int64_t group = int64_t{shape.warps} * shape.queries;
  const int64_t of_rows = kAttendTile * (key + d_head) + group * (2 * d_head + 2);
  // Queries and states: of each warp, and of all.
  const int64_t of_singles = kAttendTogether * (d_head + (int64_t{shape.warps} + 1) * (d_head + 2));
  return static_cast<int64_t>(sizeof(float)) * std::max(of_rows, of_singles);
}

}  // namespace ablate::kernels
