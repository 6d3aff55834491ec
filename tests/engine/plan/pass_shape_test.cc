#include "engine/plan/pass_shape.h"

#include <cstdint>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace ablate {
namespace {

Chunk ChunkOf(const std::vector<Variant>& variants) {
  static const std::vector<int32_t> kReads = {4};
  const PlanPrompt prompts[] = {{.n_tokens = 5, .variants = variants, .read_positions = kReads}};
  return MakePlan(prompts, {.n_layers = 2, .max_packed_tokens = 1000}).value().chunks.at(0);
}

TEST(PassShapeTest, IsThePlansSizes) {
  const Chunk chunk = ChunkOf({{{Edit{.site = {0, 0}}}}, {{Edit{.site = {1, 1}}, Edit{.site = {1, 2}}}}});
  const PassShape shape = ShapeOf(chunk, 16);
  ASSERT_EQ(shape.layers.size(), 2U);
  EXPECT_EQ(shape.layers[0], (LayerShape{.tokens_in = 16, .tokens_out = 16, .rows_in = 1, .rows_out = 2, .edits = 1}));
  EXPECT_EQ(shape.layers[1].rows_in, 2);
  EXPECT_EQ(shape.layers[1].rows_out, 3);
  EXPECT_EQ(shape.layers[1].edits, 2);
  EXPECT_EQ(ShapeOf(chunk, 1).layers[0].tokens_out, 10) << "two rows of five tokens";
  EXPECT_EQ(shape.tokens(), 32 + shape.layers[1].tokens_in + shape.layers[1].tokens_out);
}

TEST(PassShapeTest, RoomHasASixteenthMore) {
  const PassShape shape = {{{.tokens_in = 1600, .tokens_out = 320, .rows_in = 100, .rows_out = 3, .edits = 0}}};
  const PassShape room = RoomFor(shape);
  EXPECT_EQ(room.layers[0],
            (LayerShape{.tokens_in = 1712, .tokens_out = 352, .rows_in = 112, .rows_out = 16, .edits = 0}));
}

// Batches of the same kind differ a little in every layer; one's room holds most of the others.
TEST(PassShapeTest, BatchesOfOneKindShareARoom) {
  std::mt19937 random(5);
  std::uniform_int_distribution<int32_t> length(4, 16);
  std::vector<Variant> heads;
  for (int32_t layer = 0; layer < 12; ++layer) {
    for (int32_t head = 0; head < 12; ++head) heads.push_back({{Edit{.site = {layer, head}}}});
  }
  const auto batch = [&] {
    std::vector<PlanPrompt> prompts;
    std::vector<std::vector<int32_t>> reads;
    for (int i = 0; i < 32; ++i) reads.push_back({length(random) - 1});
    for (const std::vector<int32_t>& read : reads) {
      prompts.push_back({.n_tokens = read[0] + 1, .variants = heads, .read_positions = read});
    }
    return ShapeOf(MakePlan(prompts, {.n_layers = 12, .max_packed_tokens = 1'000'000}).value().chunks.at(0), 16);
  };
  const PassShape room = RoomFor(batch());
  int held = 0;
  for (int i = 0; i < 100; ++i) held += Holds(room, batch()) ? 1 : 0;
  EXPECT_GT(held, 60);
}

TEST(PassShapeTest, RoomHoldsWhatIsNoLargerAnywhere) {
  const PassShape need = ShapeOf(ChunkOf({{{Edit{.site = {0, 0}}}}}), 16);
  EXPECT_TRUE(Holds(need, need));
  EXPECT_TRUE(Holds(RoomFor(need), need));
  for (auto member : {&LayerShape::tokens_in, &LayerShape::tokens_out, &LayerShape::rows_in, &LayerShape::rows_out,
                      &LayerShape::edits}) {
    PassShape less = need;
    less.layers[1].*member -= 1;
    EXPECT_FALSE(Holds(less, need));
  }
  PassShape deeper = need;
  deeper.layers.push_back(deeper.layers.back());
  EXPECT_FALSE(Holds(deeper, need)) << "other layers";
}

}  // namespace
}  // namespace ablate
