#include "client/cpp/cli/heatmap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/cpp/cli/text.h"
#include "tests/client/fixtures.h"

namespace ablate::cli {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(HeatMapTest, WithoutColourItIsSignedNumbers) {
  Grid grid(testing::MakeManifest());
  grid.Add(0, -0.1);
  grid.Add(1, 0.25);
  grid.Add(2, -12.346);
  EXPECT_THAT(DrawHeatMap(grid, Color::kNone), ElementsAre("        H0    H1", "L0   -0.10  0.25", "L1  -12.35     ."));
}

TEST(HeatMapTest, SmallNumbersGetAUnit) {
  Grid grid(testing::MakeManifest());
  for (int v = 0; v < 4; ++v) grid.Add(v, 2e-6 * (v + 1));
  EXPECT_THAT(DrawHeatMap(grid, Color::kNone),
              ElementsAre("        H0    H1", "L0    2.00  4.00", "L1    6.00  8.00", "    in units of 1e-6"));
}

TEST(HeatMapTest, ColoursAreBlueWhiteRedWithALegend) {
  Grid grid(testing::MakeManifest());
  grid.Add(0, -2);
  grid.Add(1, 0);
  grid.Add(2, 2);
  const auto lines = DrawHeatMap(grid, Color::kTrue);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[1], "L0  \x1b[38;5;231;48;2;33;102;172m    \x1b[0m\x1b[38;5;16;48;2;247;247;247m    \x1b[0m");
  EXPECT_THAT(lines[2], HasSubstr("48;2;178;24;43m"));
  EXPECT_THAT(lines[4], HasSubstr("-2 "));
  EXPECT_THAT(lines[4], HasSubstr(" +2"));
  EXPECT_EQ(VisibleWidth(lines[0]), VisibleWidth(lines[1]));
  EXPECT_EQ(VisibleWidth(lines[1]), VisibleWidth(lines[2]));
}

TEST(HeatMapTest, ShowsOnlyTheScannedSites) {
  auto manifest = testing::MakeManifest();
  manifest.variants.erase(manifest.variants.begin(), manifest.variants.begin() + 3);
  Grid grid(manifest);
  grid.Add(0, 1);
  EXPECT_THAT(DrawHeatMap(grid, Color::kNone), ElementsAre("        H1", "L1    1.00"));
}

TEST(HeatMapTest, AnEmptyMapDividesByNothing) {
  const Grid grid(testing::MakeManifest());
  EXPECT_THAT(DrawHeatMap(grid, Color::kNone), ElementsAre("        H0    H1", "L0       .     .", "L1       .     ."));
  EXPECT_THAT(DrawHeatMap(grid, Color::k256), Each(Not(HasSubstr("nan"))));
}

TEST(GridTest, GivesTheMeanOfWhatWasAdded) {
  Grid grid(testing::MakeManifest());
  grid.Add(-1, 100);  // The baseline has no cell.
  grid.Add(3, 1);
  grid.Add(3, 2);
  EXPECT_EQ(grid.At(1, 1), 1.5);
  EXPECT_EQ(grid.MaxAbs(), 1.5);
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
