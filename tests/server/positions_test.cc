#include "server/positions.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ablation::v1::Positions PositionsOf(const std::string& text) {
  ablation::v1::Positions positions;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &positions)) << text;
  return positions;
}

std::vector<int32_t> Resolve(const std::string& text, int32_t n_tokens) {
  const auto resolved = ResolvePositions(PositionsOf(text), n_tokens, "field", "prompts[0]");
  EXPECT_TRUE(resolved.ok()) << text << ": " << resolved.status();
  return resolved.value_or(std::vector<int32_t>());
}

TEST(PositionsTest, EmptyIsAll) {
  EXPECT_THAT(Resolve("", 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(Resolve("", 1), ElementsAre(0));
}

TEST(PositionsTest, NegativeOnesCountFromTheEnd) {
  EXPECT_THAT(Resolve("positions: [-1, 0, -5]", 5), ElementsAre(0, 4));
  EXPECT_THAT(Resolve("positions: [3, -2, 3]", 5), ElementsAre(3));
}

TEST(PositionsTest, ARangeIsAPythonSlice) {
  EXPECT_THAT(Resolve("ranges { begin: 1 end: 3 }", 5), ElementsAre(1, 2));
  EXPECT_THAT(Resolve("ranges { begin: -2 }", 5), ElementsAre(3, 4));
  EXPECT_THAT(Resolve("ranges { end: -3 }", 5), ElementsAre(0, 1));
  EXPECT_THAT(Resolve("ranges {}", 2), ElementsAre(0, 1));
  // Cut to the prompt, as Python does.
  EXPECT_THAT(Resolve("ranges { begin: -99 end: 99 }", 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(Resolve("ranges { begin: -2147483648 end: 2147483647 }", 2), ElementsAre(0, 1));
  // An explicit 0 is no default.
  EXPECT_FALSE(ResolvePositions(PositionsOf("ranges { end: 0 }"), 3, "f", "p").ok());
}

TEST(PositionsTest, ListsAndRangesAreOneSet) {
  EXPECT_THAT(Resolve("positions: -1 ranges { end: 2 } ranges { begin: 1 end: 3 } positions: 0", 6),
              ElementsAre(0, 1, 2, 5));
}

// Every slice of a short prompt against Python's rule, written out once more: i < 0 counts from the end, then it is
// cut.
TEST(PositionsTest, EverySliceOfFourTokens) {
  const auto cut = [](int32_t i) { return std::clamp(i < 0 ? i + 4 : i, 0, 4); };
  for (int32_t begin = -6; begin <= 6; ++begin) {
    for (int32_t end = -6; end <= 6; ++end) {
      ablation::v1::Positions positions;
      positions.add_ranges()->set_begin(begin);
      positions.mutable_ranges(0)->set_end(end);
      std::vector<int32_t> expected;
      for (int32_t p = cut(begin); p < cut(end); ++p) expected.push_back(p);
      const auto resolved = ResolvePositions(positions, 4, "field", "prompts[0]");
      EXPECT_EQ(resolved.ok(), !expected.empty()) << begin << ":" << end;
      EXPECT_EQ(resolved.value_or(std::vector<int32_t>()), expected) << begin << ":" << end;
    }
  }
}

TEST(PositionsTest, RangesCoverPositionsAndNothingElse) {
  EXPECT_THAT(AsRanges(std::vector<int32_t>{0, 1, 2}), ElementsAre(PositionRange{0, 3}));
  EXPECT_THAT(AsRanges(std::vector<int32_t>{0, 2, 3, 7}),
              ElementsAre(PositionRange{0, 1}, PositionRange{2, 4}, PositionRange{7, 8}));
  EXPECT_THAT(AsRanges({}), IsEmpty());
}

}  // namespace
}  // namespace ablate
