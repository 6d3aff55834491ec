// The problems that every implementation of fan_out is tested on, host and device alike.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/fan_out.h"
#include "kernels/fan_out_check.h"
#include "tests/kernels/guarded_buffer.h"

namespace ablate::kernels {

struct FanOutGeometry {
  int64_t n_tokens_in;   // N
  int64_t n_tokens_out;  // M
  int32_t n_heads;       // H
  int32_t d_head;        // Dh
};

// Head sizes with and without packs of 16 bytes (6 has them for double only), models below a warp and beyond a block
// (25 x 64 is GPT-2 XL), tokens that fill no block, and more tokens than a grid's y or z axis could number.
inline constexpr FanOutGeometry kFanOutGeometries[] = {
    {1, 1, 1, 1},     {5, 7, 1, 1},    {9, 31, 3, 3},   {3, 1000, 1, 3}, {11, 40, 2, 6},   {13, 50, 12, 8},
    {17, 33, 12, 64}, {8, 20, 20, 64}, {6, 19, 25, 64}, {7, 12, 5, 80},  {40, 70001, 1, 4}};

enum class FanOutEdits { kNone, kZero, kScale, kEntry, kScaleAndEntry, kEntryByPosition, kResample, kRanges, kMany };

inline constexpr FanOutEdits kFanOutEdits[] = {
    FanOutEdits::kNone,     FanOutEdits::kZero,          FanOutEdits::kScale,
    FanOutEdits::kEntry,    FanOutEdits::kScaleAndEntry, FanOutEdits::kEntryByPosition,
    FanOutEdits::kResample, FanOutEdits::kRanges,        FanOutEdits::kMany};

// What the elements are made of.
enum class FanOutValues {
  // Random numbers whose products and sums round.
  kReal,
  // Small integers: every product and sum is exact, in any order.
  kInteger,
};

// One problem in host memory. Everything follows from the arguments: seeds are fixed.
template <typename T>
struct FanOutProblem {
  FanOutProblem(const FanOutGeometry& shape, FanOutEdits kind, int64_t offset, FanOutValues values);

  FanOutArgs<T> Args() {
    return {.x = x.data(),
            .z = z.data(),
            .bias = bias.data(),
            .table = table.data(),
            .source_token = source_token.data(),
            .position = position.data(),
            .row = row.data(),
            .row_edit_begin = row_edit_begin.data(),
            .edits = edits.data(),
            .x_out = x_out.data(),
            .z_out = z_out.data(),
            .n_tokens_out = geometry.n_tokens_out,
            .n_heads = geometry.n_heads,
            .d_head = geometry.d_head};
  }
  FanOutExtents Extents() const {
    return {.n_tokens_in = geometry.n_tokens_in,
            .n_rows = static_cast<int64_t>(row_edit_begin.size()) - 1,
            .n_edits = static_cast<int64_t>(edits.size()),
            .n_entries = table.size / geometry.d_head};
  }

  // What outputs and guards hold before a run; no result is this.
  static constexpr T kUnwritten = T{-1234567};

  FanOutGeometry geometry;
  GuardedBuffer<T> x;                                // [N, D]
  GuardedBuffer<T> z;                                // [N, H, Dh]
  GuardedBuffer<T> bias;                             // [D]
  GuardedBuffer<T> table;                            // [E, Dh]
  std::vector<int32_t> source_token, position, row;  // [M]
  std::vector<int32_t> row_edit_begin;               // [R + 1]
  std::vector<HeadEdit> edits;
  GuardedBuffer<T> x_out;  // [M, D]
  GuardedBuffer<T> z_out;  // [M, H, Dh]
};

template <typename T>
FanOutProblem<T>::FanOutProblem(const FanOutGeometry& shape, FanOutEdits kind, int64_t offset, FanOutValues values)
    : geometry(shape) {
  constexpr int32_t kRows = 9, kFirstEntries = 5;
  std::mt19937 random(20230 + static_cast<uint32_t>(kind));
  const auto below = [&random](int64_t end) { return static_cast<int32_t>(random() % static_cast<uint64_t>(end)); };
  const auto fill = [&](int64_t size) {
    GuardedBuffer<T> buffer(size, offset, kUnwritten);
    std::normal_distribution<double> normal;
    for (int64_t i = 0; i < size; ++i) {
      buffer[i] = values == FanOutValues::kReal ? static_cast<T>(normal(random)) : static_cast<T>(below(17) - 8);
    }
    return buffer;
  };
  const auto scale = [&] {
    static constexpr float kReal[] = {1.0F, 0.3F, -1.7F}, kInteger[] = {1.0F, -2.0F, 3.0F};
    return (values == FanOutValues::kReal ? kReal : kInteger)[below(3)];
  };

  const int64_t d_model = int64_t{geometry.n_heads} * geometry.d_head;
  const int32_t positions = static_cast<int32_t>(geometry.n_tokens_in + 1) / 2;
  x = fill(geometry.n_tokens_in * d_model);
  z = fill(geometry.n_tokens_in * d_model);
  bias = fill(d_model);
  table = fill((kFirstEntries + positions) * int64_t{geometry.d_head});
  x_out = GuardedBuffer<T>(geometry.n_tokens_out * d_model, offset, kUnwritten);
  z_out = x_out;
  for (int64_t m = 0; m < geometry.n_tokens_out; ++m) {
    source_token.push_back(below(geometry.n_tokens_in));
    position.push_back(below(positions));
    row.push_back(below(kRows));
  }

  const auto make_edit = [&](FanOutEdits what) {
    HeadEdit edit = {.head = below(geometry.n_heads)};
    const bool scales =
        what == FanOutEdits::kScale || what == FanOutEdits::kScaleAndEntry || what == FanOutEdits::kResample;
    if (scales) edit.scale = scale();
    if (what == FanOutEdits::kEntry || what == FanOutEdits::kScaleAndEntry) edit.entry = below(kFirstEntries);
    if (what == FanOutEdits::kEntryByPosition) edit.entry = below(kFirstEntries), edit.entry_stride = 1;
    if (what == FanOutEdits::kResample) edit.source_first = below(geometry.n_tokens_in - positions + 1);
    if (what == FanOutEdits::kRanges) {
      edit.first_position = below(positions);
      edit.end_position = edit.first_position + 1 + below(positions);
    }
    return edit;
  };
  // Row 0 is a baseline; of `kMany` the rows have 0 to 8 edits, some of one head, where the last counts.
  row_edit_begin.push_back(0);
  for (int32_t r = 0; r < kRows; ++r) {
    const int32_t count = kind == FanOutEdits::kNone ? 0 : kind == FanOutEdits::kMany ? r : r == 0 ? 0 : 1;
    for (int32_t i = 0; i < count; ++i) {
      edits.push_back(make_edit(kind == FanOutEdits::kMany ? kFanOutEdits[1 + below(7)] : kind));
      if (kind == FanOutEdits::kMany && below(2) == 0) edits.back().end_position = below(positions) + 1;
      if (edits.back().first_position >= edits.back().end_position) edits.back().first_position = 0;
    }
    row_edit_begin.push_back(static_cast<int32_t>(edits.size()));
  }
}

// Every problem of the tables above, in place and off 16 bytes by one element. body(problem) under a trace that names
// it.
template <typename T, typename Body>
void ForEachFanOutProblem(FanOutValues values, Body body) {
  for (const FanOutGeometry& g : kFanOutGeometries) {
    for (const FanOutEdits kind : kFanOutEdits) {
      for (const int64_t offset : {0, 1}) {
        SCOPED_TRACE(testing::Message() << "N " << g.n_tokens_in << ", M " << g.n_tokens_out << ", H " << g.n_heads
                                        << ", Dh " << g.d_head << ", edits " << static_cast<int>(kind) << ", offset "
                                        << offset);
        FanOutProblem<T> problem(g, kind, offset, values);
        ASSERT_EQ(CheckFanOutTables(problem.Args(), problem.Extents()), "");
        body(problem);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

}  // namespace ablate::kernels
