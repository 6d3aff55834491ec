// Every message of fan_out's argument checks.
#include "kernels/fan_out_check.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ablate::kernels {
namespace {

// Arguments that pass: N = 4, M = 3, R = 2, E = 3, two edits of row 1 (one with an entry a position, one resampled).
struct Valid {
  Valid() = default;
  Valid(const Valid&) = delete;
  Valid& operator=(const Valid&) = delete;

  std::vector<float> x = std::vector<float>(4 * 8), z = x, bias = std::vector<float>(8),
                     table = std::vector<float>(3 * 4);
  std::vector<float> out = std::vector<float>(2 * 3 * 8);
  std::vector<int32_t> source_token = {0, 3, 1}, position = {0, 1, 2}, row = {0, 1, 1}, row_edit_begin = {0, 0, 2};
  std::vector<HeadEdit> edits = {{.head = 1, .entry = 0, .entry_stride = 1},
                                 {.head = 0, .scale = 1.0F, .source_first = 1}};
  FanOutArgs<float> args = {.x = x.data(),
                            .z = z.data(),
                            .bias = bias.data(),
                            .table = table.data(),
                            .source_token = source_token.data(),
                            .position = position.data(),
                            .row = row.data(),
                            .row_edit_begin = row_edit_begin.data(),
                            .edits = edits.data(),
                            .x_out = out.data(),
                            .z_out = out.data() + 24,
                            .n_tokens_out = 3,
                            .n_heads = 2,
                            .d_head = 4};
  FanOutExtents extents = {.n_tokens_in = 4, .n_rows = 2, .n_edits = 2, .n_entries = 3};
};

template <typename P>
P* OffBy(P* pointer, int bytes) {
  return reinterpret_cast<P*>(reinterpret_cast<uintptr_t>(pointer) + bytes);
}

struct Damage {
  std::function<void(Valid&)> apply;
  std::string message;
};

TEST(CheckFanOutTest, AcceptsWhatIsRight) {
  Valid valid;
  EXPECT_EQ(CheckFanOut(valid.args), "");
  EXPECT_EQ(CheckFanOutTables(valid.args, valid.extents), "");
  // No edit needs neither edits nor table.
  valid.args.edits = nullptr;
  valid.args.table = nullptr;
  valid.row_edit_begin = {0, 0, 0};
  valid.args.row_edit_begin = valid.row_edit_begin.data();
  valid.extents.n_edits = 0;
  EXPECT_EQ(CheckFanOut(valid.args), "");
  EXPECT_EQ(CheckFanOutTables(valid.args, valid.extents), "");
  // No tokens need nothing at all.
  EXPECT_EQ(CheckFanOut<double>({.n_heads = 1, .d_head = 1}), "");
  EXPECT_EQ(CheckFanOutTables<double>({.n_heads = 1, .d_head = 1}, {}), "");
}

TEST(CheckFanOutTest, NamesTheArgument) {
  const Damage table[] = {
      {[](Valid& v) { v.args.n_tokens_out = -1; }, "fan_out: n_tokens_out is -1; expected in [0, 2147483649)"},
      {[](Valid& v) { v.args.n_tokens_out = (int64_t{1} << 31) + 1; },
       "fan_out: n_tokens_out is 2147483649; expected in [0, 2147483649)"},
      {[](Valid& v) { v.args.n_heads = 0; }, "fan_out: n_heads is 0; expected at least 1"},
      {[](Valid& v) { v.args.d_head = -4; }, "fan_out: d_head is -4; expected at least 1"},
      {[](Valid& v) { v.args.n_heads = v.args.d_head = INT32_MAX; },
       "fan_out: n_heads * d_head is 4611686014132420609; expected at most 16777216"},
      {[](Valid& v) { v.args.x = nullptr; }, "fan_out: x is null; expected a pointer, since n_tokens_out is 3"},
      {[](Valid& v) { v.args.z = nullptr; }, "fan_out: z is null; expected a pointer, since n_tokens_out is 3"},
      {[](Valid& v) { v.args.bias = nullptr; }, "fan_out: bias is null; expected a pointer, since n_tokens_out is 3"},
      {[](Valid& v) { v.args.source_token = nullptr; },
       "fan_out: source_token is null; expected a pointer, since n_tokens_out is 3"},
      {[](Valid& v) { v.args.position = nullptr; },
       "fan_out: position is null; expected a pointer, since n_tokens_out is 3"},
      {[](Valid& v) { v.args.row = nullptr; }, "fan_out: row is null; expected a pointer, since n_tokens_out is 3"},
      {[](Valid& v) { v.args.row_edit_begin = nullptr; },
       "fan_out: row_edit_begin is null; expected a pointer, since n_tokens_out is 3"},
      {[](Valid& v) { v.args.x_out = nullptr; }, "fan_out: x_out is null; expected a pointer, since n_tokens_out is 3"},
      {[](Valid& v) { v.args.z_out = nullptr; }, "fan_out: z_out is null; expected a pointer, since n_tokens_out is 3"},
      {[](Valid& v) { v.args.z = OffBy(v.args.z, 2); },
       "fan_out: z is 2 bytes off its alignment; expected a multiple of 4"},
      {[](Valid& v) { v.args.table = OffBy(v.args.table, 1); },
       "fan_out: table is 1 bytes off its alignment; expected a multiple of 4"},
      {[](Valid& v) { v.args.edits = OffBy(v.args.edits, 4); },
       "fan_out: edits is 4 bytes off its alignment; expected a multiple of 16"},
      {[](Valid& v) { v.args.row = OffBy(v.args.row, 3); },
       "fan_out: row is 3 bytes off its alignment; expected a multiple of 4"},
      {[](Valid& v) { v.args.z_out = v.args.x_out + 23; },
       "fan_out: z_out is overlapping x_out; expected memory of its own"},
      {[](Valid& v) { v.args.z_out = v.args.x_out; },
       "fan_out: z_out is overlapping x_out; expected memory of its own"},
      {[](Valid& v) { v.args.x_out = v.x.data(); }, "fan_out: x_out is an input; expected memory of its own"},
      {[](Valid& v) { v.args.z_out = v.z.data(); }, "fan_out: z_out is an input; expected memory of its own"},
  };
  for (const Damage& damage : table) {
    Valid valid;
    damage.apply(valid);
    EXPECT_EQ(CheckFanOut(valid.args), damage.message);
    EXPECT_EQ(CheckFanOutTables(valid.args, valid.extents), damage.message);
  }
}

TEST(CheckFanOutTest, NamesTheEntryOfTheTables) {
  const Damage table[] = {
      {[](Valid& v) { v.extents.n_rows = 0; }, "fan_out: n_rows is 0; expected at least 1"},
      {[](Valid& v) { v.args.edits = nullptr; }, "fan_out: edits is null; expected a pointer, since n_edits is 2"},
      {[](Valid& v) { v.row_edit_begin = {0, -1, 2}; }, "fan_out: row_edit_begin[1] is -1; expected in [0, 3)"},
      {[](Valid& v) { v.row_edit_begin = {0, 2, 1}; }, "fan_out: row_edit_begin[2] is 1; expected in [2, 3)"},
      {[](Valid& v) { v.row_edit_begin = {0, 0, 3}; }, "fan_out: row_edit_begin[2] is 3; expected in [0, 3)"},
      {[](Valid& v) { v.row_edit_begin = {1, 1, 2}; }, "fan_out: row_edit_begin[0] is 1; expected 0"},
      {[](Valid& v) { v.row_edit_begin = {0, 0, 1}; },
       "fan_out: row_edit_begin[2] is 1; expected 2, the number of edits"},
      {[](Valid& v) { v.edits[1].head = 2; }, "fan_out: edits[1].head is 2; expected in [0, 2)"},
      {[](Valid& v) { v.edits[0].head = -1; }, "fan_out: edits[0].head is -1; expected in [0, 2)"},
      {[](Valid& v) { v.edits[0].first_position = -1; },
       "fan_out: edits[0] is at positions [-1, 2147483647); expected 0 <= first_position < end_position"},
      {[](Valid& v) { v.edits[0].first_position = v.edits[0].end_position = 3; },
       "fan_out: edits[0] is at positions [3, 3); expected 0 <= first_position < end_position"},
      {[](Valid& v) { v.edits[0].scale = std::numeric_limits<float>::quiet_NaN(); },
       "fan_out: edits[0].scale is nan; expected a finite number"},
      {[](Valid& v) { v.edits[0].scale = std::numeric_limits<float>::infinity(); },
       "fan_out: edits[0].scale is inf; expected a finite number"},
      {[](Valid& v) { v.edits[0].entry = -2; }, "fan_out: edits[0].entry is -2; expected in [-1, 3)"},
      {[](Valid& v) { v.args.table = nullptr; },
       "fan_out: table is null; expected a pointer, since edits[0] has an entry"},
      {[](Valid& v) { v.edits[0].entry_stride = 2; }, "fan_out: edits[0].entry_stride is 2; expected 0 or 1"},
      {[](Valid& v) { v.edits[1].source_first = -2; }, "fan_out: edits[1].source_first is -2; expected in [-1, 4)"},
      {[](Valid& v) { v.source_token[1] = 4; }, "fan_out: source_token[1] is 4; expected in [0, 4)"},
      {[](Valid& v) { v.source_token[2] = -1; }, "fan_out: source_token[2] is -1; expected in [0, 4)"},
      {[](Valid& v) { v.position[0] = -1; }, "fan_out: position[0] is -1; expected at least 0"},
      {[](Valid& v) { v.row[0] = 2; }, "fan_out: row[0] is 2; expected in [0, 2)"},
      {[](Valid& v) { v.row[2] = -1; }, "fan_out: row[2] is -1; expected in [0, 2)"},
      {[](Valid& v) { v.edits[0].entry = 1; },
       "fan_out: the entry of edits[0] at position[2] 2 is 3; expected in [0, 3)"},
      {[](Valid& v) { v.edits[1].source_first = 2; },
       "fan_out: the source of edits[1] at position[2] 2 is 4; expected in [0, 4)"},
  };
  for (const Damage& damage : table) {
    Valid valid;
    damage.apply(valid);
    EXPECT_EQ(CheckFanOutTables(valid.args, valid.extents), damage.message);
  }
}

// An index out of range where no token reaches it is no error.
TEST(CheckFanOutTest, LooksOnlyWhereTokensReach) {
  Valid valid;
  valid.edits[0].entry = 1;
  valid.edits[0].end_position = 2;
  EXPECT_EQ(CheckFanOutTables(valid.args, valid.extents), "");
}

TEST(CheckFanOutTest, DoubleNeedsItsOwnAlignment) {
  alignas(16) double memory[64] = {};
  alignas(16) const int32_t table[4] = {};
  FanOutArgs<double> args = {.x = memory,
                             .z = memory,
                             .bias = memory,
                             .source_token = table,
                             .position = table,
                             .row = table,
                             .row_edit_begin = table,
                             .x_out = memory + 16,
                             .z_out = memory + 32,
                             .n_tokens_out = 1,
                             .n_heads = 1,
                             .d_head = 8};
  EXPECT_EQ(CheckFanOut(args), "");
  args.x = OffBy(args.x, 4);
  EXPECT_EQ(CheckFanOut(args), "fan_out: x is 4 bytes off its alignment; expected a multiple of 8");
}

}  // namespace
}  // namespace ablate::kernels
