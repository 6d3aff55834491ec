#include "engine/forward/pass_tables.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ablate {
namespace {

constexpr int32_t kLayers = 3, kHeads = 4, kTokens = 7;

// A baseline, a donor, and edits of several kinds, some of which begin late.
Chunk MakeChunk() {
  static const std::vector<Variant> kVariants = [] {
    std::vector<Variant> variants;
    for (int32_t layer = 0; layer < kLayers; ++layer) {
      for (int32_t head = 0; head < kHeads; ++head) {
        variants.push_back({{Edit{.site = {layer, head}, .positions = {head, INT32_MAX}, .scale = 0.5F}}});
        variants.push_back({{Edit{.site = {layer, head}, .entry = 1, .entry_stride = 1},
                             Edit{.site = {layer, (head + 1) % kHeads}, .scale = 1, .from_donor = true}}});
        std::sort(variants.back().edits.begin(), variants.back().edits.end());
      }
    }
    return variants;
  }();
  static const std::vector<int32_t> kReads = {kTokens - 1};
  const PlanPrompt prompts[] = {
      {.n_tokens = kTokens, .variants = kVariants, .read_positions = kReads, .has_donor = true}};
  return MakePlan(prompts, {.n_layers = kLayers, .max_packed_tokens = 100'000}).value().chunks.at(0);
}

std::vector<HostTables> HostTablesOf(const Chunk& chunk) {
  std::vector<HostTables> tables;
  for (const LayerPlan& plan : chunk.layers) tables.emplace_back(plan);
  return tables;
}

// Anything but zeros, aligned as the strictest table wants it.
class Block {
 public:
  explicit Block(size_t bytes) : parts_(bytes / sizeof(Part) + 1) {
    std::memset(static_cast<void*>(parts_.data()), 0xA5, parts_.size() * sizeof(Part));
  }
  std::byte* data() { return parts_.front().bytes; }

 private:
  struct alignas(16) Part {
    std::byte bytes[16];
  };
  std::vector<Part> parts_;
};

template <typename T>
bool SameBytes(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

// What tables say of outgoing token m: where it comes from, and the edits of its row.
void ExpectSameToken(const LayerTables& a, const LayerTables& b, int64_t m) {
  EXPECT_EQ(a.source_token[m], b.source_token[m]);
  EXPECT_EQ(a.position[m], b.position[m]);
  const int32_t first_a = a.row_edit_begin[a.row[m]], first_b = b.row_edit_begin[b.row[m]];
  const int32_t count = a.row_edit_begin[a.row[m] + 1] - first_a;
  ASSERT_EQ(count, b.row_edit_begin[b.row[m] + 1] - first_b);
  for (int32_t e = 0; e < count; ++e) EXPECT_TRUE(SameBytes(a.edits[first_a + e], b.edits[first_b + e]));
}

class PassTablesTest : public testing::TestWithParam<bool> {};

// In a room that fits, and in one with space left, as a recorded pass has.
INSTANTIATE_TEST_SUITE_P(Rooms, PassTablesTest, testing::Bool(),
                         [](const auto& room) { return room.param ? "larger" : "exact"; });

TEST_P(PassTablesTest, SayWhatThePlanSaysAndNothingOfTheRest) {
  const Chunk chunk = MakeChunk();
  PassShape room = ShapeOf(chunk, 16);
  if (GetParam()) {
    for (LayerShape& layer : room.layers) {
      layer.tokens_in += 32;
      layer.tokens_out += 48;
      layer.rows_in += 5;
      layer.rows_out += 7;
      layer.edits += 3;
    }
  }
  const PassLayout layout(room);
  EXPECT_EQ(layout.bytes() % alignof(kernels::HeadEdit), 0U);
  Block block(layout.bytes());
  std::byte* const base = block.data();
  const PackedTokens tokens = {.ids = {9, 8, 7}, .positions = {0, 1, 2}};
  layout.Write(HostTablesOf(chunk), tokens, OwnAttention(), {base, layout.bytes()});
  const TokenTables written = layout.TokensAt(base);
  ASSERT_EQ(written.n, room.layers[0].tokens_in);
  for (int64_t i = 0; i < written.n; ++i) {
    EXPECT_EQ(written.ids[i], i < 3 ? tokens.ids[static_cast<size_t>(i)] : 0);
    EXPECT_EQ(written.positions[i], i < 3 ? tokens.positions[static_cast<size_t>(i)] : 0);
  }
  for (size_t i = 0; i < chunk.layers.size(); ++i) {
    SCOPED_TRACE(i);
    const LayerPlan& plan = chunk.layers[i];
    const HostTables host(plan);
    const LayerTables found = layout.At(base, i), wanted = host.tables();
    ASSERT_EQ(found.tokens_out, room.layers[i].tokens_out);
    ASSERT_GE(found.tokens_out, wanted.tokens_out);
    for (int64_t m = 0; m < wanted.tokens_out; ++m) ExpectSameToken(found, wanted, m);
    for (int64_t m = wanted.tokens_out; m < found.tokens_out; ++m) {
      EXPECT_EQ(found.source_token[m], 0);
      EXPECT_EQ(found.position[m], 0);
      EXPECT_EQ(found.row_edit_begin[found.row[m]], found.row_edit_begin[found.row[m] + 1]) << "no edit";
    }
    ASSERT_EQ(found.n_attend_rows, room.layers[i].rows_in);
    for (int64_t r = 0; r < found.n_attend_rows; ++r) {
      const kernels::AttendRow& row = found.attend_rows[r];
      if (r < wanted.n_attend_rows) {
        EXPECT_TRUE(SameBytes(row, wanted.attend_rows[r]));
      } else {
        EXPECT_EQ(row.begin, row.end) << "no token";
      }
    }
  }
}

TEST(PassTablesTest, LongRowsAreLeftToOthers) {
  const Chunk chunk = MakeChunk();
  const PassLayout layout(ShapeOf(chunk, 16));
  Block block(layout.bytes());
  std::byte* const base = block.data();
  Chunk mixed = chunk;
  // The first row is short enough, and so is one in the middle.
  for (const size_t r : {size_t{0}, mixed.layers[1].rows.size() / 2}) mixed.layers[1].rows[r].end = kTokens - 2;
  layout.Write(HostTablesOf(mixed), {}, {.longest = kTokens - 1}, {base, layout.bytes()});
  const LayerTables tables = layout.At(base, 1);
  for (int64_t r = 0; r < tables.n_attend_rows; ++r) EXPECT_EQ(tables.attend_rows[r].end, r < 2 ? kTokens - 2 : 0) << r;
}

TEST(CheckTokensTest, NamesWhatIsOutOfRange) {
  EXPECT_EQ(CheckTokens({.ids = {0, 4}, .positions = {2, 0}}, 5, 3), "");
  EXPECT_EQ(CheckTokens({}, 5, 3), "");
  EXPECT_EQ(CheckTokens({.ids = {0, 5}, .positions = {2, 0}}, 5, 3), "embed: an id is 5, expected 0 to 4");
  EXPECT_EQ(CheckTokens({.ids = {0}, .positions = {-1}}, 5, 3), "embed: a position is -1, expected 0 to 2");
  EXPECT_EQ(CheckTokens({.ids = {0}, .positions = {}}, 5, 3), "embed: 1 ids at 0 positions");
}

TEST(CheckIndicesTest, APlannedLayerPasses) {
  for (const LayerPlan& plan : MakeChunk().layers) {
    EXPECT_EQ(CheckIndices(HostTables(plan), kHeads, 1 + 1 + kTokens), "");
  }
}

TEST(CheckIndicesTest, NamesWhatDoesNotFit) {
  const struct {
    std::function<void(LayerPlan&)> damage;
    std::string words;
  } cases[] = {
      {[](LayerPlan& plan) { plan.rows[0].first_token = static_cast<int32_t>(plan.n_tokens_in); }, "does not fit"},
      {[](LayerPlan& plan) { plan.rows.back().baseline = 10'000; }, "with baseline row 10000"},
      {[](LayerPlan& plan) { plan.source_token[3] = -1; }, "source_token[3] is -1"},
      {[](LayerPlan& plan) { plan.row_edits[0].head = kHeads; }, "head is 4"},
      {[](LayerPlan& plan) { plan.row_edit_begin.back() += 1; }, "row_edit_begin"},
  };
  for (const auto& [damage, words] : cases) {
    LayerPlan plan = MakeChunk().layers[1];
    plan.rows.back().begin = std::max(plan.rows.back().begin, 1);
    damage(plan);
    const std::string problem = CheckIndices(HostTables(plan), kHeads, 1 + 1 + kTokens);
    EXPECT_NE(problem.find(words), std::string::npos) << problem;
  }
  const LayerPlan plan = MakeChunk().layers[0];
  EXPECT_NE(CheckIndices(HostTables(plan), kHeads, 3), "") << "a table that is too short";
}

}  // namespace
}  // namespace ablate
