// Into which blocks a launch of ours is cut. What is fastest depends on GPU and sizes, and is measured
// (block_shapes.h). What a launch computes does not depend on it, but for readout, whose sums change their order with
// it.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

namespace ablate::kernels {

// Those with a choice.
enum class TunedKernel { kAttend, kFanOut, kLayerNorm, kReadout, kRoundRows };
inline constexpr TunedKernel kTunedKernels[] = {TunedKernel::kAttend, TunedKernel::kFanOut, TunedKernel::kLayerNorm,
                                                TunedKernel::kReadout, TunedKernel::kRoundRows};

struct BlockShape {
  // Of a block.
  int32_t warps = 1;
  // attend: queries that a warp takes at a time, of rows of one token those of so many rows. Of the others 1.
  int32_t queries = 1;
  auto operator<=>(const BlockShape&) const = default;
};

// What the choice depends on, besides the GPU. Of layer_norm it does not matter here whether it adds or rounds.
struct LaunchKind {
  TunedKernel kernel = TunedKernel::kAttend;
  // Elements of what a warp or a block walks: d_model or d_mlp; of attend d_head, of readout the vocabulary.
  int64_t width = 0;
  // Rows or tokens; of attend the heads of all rows. Rounded up to a power of 2 by KindOf.
  int64_t n = 0;
  // attend: the most tokens that a row has, and the most keys that one walks, rounded likewise. Of the others 1.
  int64_t each = 1, keys = 1;
  auto operator<=>(const LaunchKind&) const = default;
};

LaunchKind KindOf(TunedKernel kernel, int64_t width, int64_t n, int64_t each = 1, int64_t keys = 1);

// The shapes that a kernel takes at this width; of attend at most 128.
std::vector<BlockShape> BlockShapesOf(TunedKernel kernel, int64_t width);
// The first of them, which is taken unmeasured.
BlockShape UsualBlockShape(TunedKernel kernel, int64_t width);
bool TakesBlockShape(TunedKernel kernel, int64_t width, BlockShape shape);

// Of what was measured: raised where a kernel changes so much that its blocks are to be measured anew.
inline constexpr int32_t kBlockShapesVersion = 1;

// The largest of all shapes.
inline constexpr int32_t kMostAttendWarps = 8;
inline constexpr int32_t kMostFanOutWarps = 16;
inline constexpr int32_t kMostRowWarps = 8;  // of layer_norm and round_rows
inline constexpr int32_t kMostReadoutWarps = 32;

// What attend has in shared memory: bytes of a block.
int64_t AttendSharedBytes(int64_t d_head, BlockShape shape);
// Positions of a tile of keys, a warp's lanes.
inline constexpr int32_t kAttendTile = 32;
// Elements between a tile's keys, at most.
inline constexpr int32_t kAttendKeyGap = 4;

}  // namespace ablate::kernels
