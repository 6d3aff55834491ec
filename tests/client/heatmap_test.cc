#include "client/cpp/cli/heatmap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

HeatMap Map(const std::vector<double>& values) {
  return {.row_labels = {"L0", "L1"}, .column_labels = {"H0", "H1"}, .values = values};
}

TEST(HeatMapTest, WithoutColourItIsSignedNumbers) {
  EXPECT_THAT(DrawHeatMap(Map({-0.1, 0.25, -2.346, NAN}), Color::kNone),
              ElementsAre("        H0    H1", "L0   -0.10  0.25", "L1   -2.35     ."));
}

TEST(HeatMapTest, LargeNegativeNumbersKeepTheirDistance) {
  EXPECT_THAT(DrawHeatMap(Map({-0.1, 0.25, -9.996, -10.25}), Color::kNone),
              ElementsAre("         H0     H1", "L0    -0.10   0.25", "L1   -10.00 -10.25"));
  EXPECT_THAT(DrawHeatMap(Map({-0.1, 99.5, -123.4, -100}), Color::kNone),
              ElementsAre("        H0    H1", "L0   -0.00  0.99", "L1   -1.23 -1.00", "    in units of 1e2"));
}

// GPT-2 Small's width: no room for a wider column.
TEST(HeatMapTest, TwelveHeadsFitALineOfATerminal) {
  for (const double least : {-9.99, -9.996, -10.25, -99.94, -99.96, -123.4}) {
    HeatMap map = {.row_labels = {"L11"}, .column_labels = {}, .values = std::vector<double>(12, least)};
    for (int h = 0; h < 12; ++h) map.column_labels.push_back(absl::StrCat("H", h));
    map.values[1] = -least;
    const auto lines = DrawHeatMap(map, Color::kNone);
    const std::vector<std::string> cells = absl::StrSplit(lines[1], ' ', absl::SkipEmpty());
    EXPECT_EQ(cells.size(), 13U) << lines[1];
    EXPECT_LE(VisibleWidth(lines[1]), 80) << lines[1];
    EXPECT_EQ(VisibleWidth(lines[0]), VisibleWidth(lines[1]));
  }
  HeatMap map = {.row_labels = {"L0"}, .column_labels = std::vector<std::string>(12, "H"), .values = {}};
  map.values.assign(12, -10.26);
  EXPECT_THAT(DrawHeatMap(map, Color::kNone)[1], ::testing::StartsWith("L0   -10.3 -10.3 -10.3"));
}

TEST(HeatMapTest, SmallNumbersGetAUnit) {
  EXPECT_THAT(DrawHeatMap(Map({2e-6, 4e-6, 6e-6, 8e-6}), Color::kNone),
              ElementsAre("        H0    H1", "L0    2.00  4.00", "L1    6.00  8.00", "    in units of 1e-6"));
}

TEST(HeatMapTest, LongLabelsWidenTheirColumn) {
  HeatMap map = Map({1, 2, 3, 4});
  map.row_labels = {"movers", "all"};
  EXPECT_THAT(DrawHeatMap(map, Color::kNone),
              ElementsAre("           H0    H1", "movers   1.00  2.00", "all      3.00  4.00"));
}

TEST(HeatMapTest, ColoursAreBlueWhiteRedWithALegend) {
  const auto lines = DrawHeatMap(Map({-2, 0, 2, NAN}), Color::kTrue);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[1], "L0  \x1b[38;5;231;48;2;33;102;172m    \x1b[0m\x1b[38;5;16;48;2;247;247;247m    \x1b[0m");
  EXPECT_THAT(lines[2], HasSubstr("48;2;178;24;43m"));
  EXPECT_THAT(lines[4], HasSubstr("-2 "));
  EXPECT_THAT(lines[4], HasSubstr(" +2"));
  EXPECT_EQ(VisibleWidth(lines[0]), VisibleWidth(lines[1]));
  EXPECT_EQ(VisibleWidth(lines[1]), VisibleWidth(lines[2]));
}

TEST(HeatMapTest, AnEmptyMapDividesByNothing) {
  const HeatMap map = Map({NAN, NAN, NAN, NAN});
  EXPECT_EQ(map.MaxAbs(), 0);
  EXPECT_THAT(DrawHeatMap(map, Color::kNone), ElementsAre("        H0    H1", "L0       .     .", "L1       .     ."));
  EXPECT_THAT(DrawHeatMap(map, Color::k256), Each(Not(HasSubstr("nan"))));
}

TEST(ChooseColorTest, Table) {
  const ColorWish xterm = {.no_color = false, .force_color = false, .term = "xterm-256color", .colorterm = ""};
  EXPECT_EQ(ChooseColor(xterm, true), Color::k256);
  EXPECT_EQ(ChooseColor(xterm, false), Color::kNone);
  ColorWish wish = xterm;
  wish.colorterm = "truecolor";
  EXPECT_EQ(ChooseColor(wish, true), Color::kTrue);
  EXPECT_EQ(ChooseColor(wish, false), Color::kNone);
  wish.force_color = true;
  EXPECT_EQ(ChooseColor(wish, false), Color::kTrue);
  wish.no_color = true;
  EXPECT_EQ(ChooseColor(wish, true), Color::kNone);
  wish = xterm;
  wish.term = "dumb";
  EXPECT_EQ(ChooseColor(wish, true), Color::kNone);
}

}  // namespace
}  // namespace ablate::cli
