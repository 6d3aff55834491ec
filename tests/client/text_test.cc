#include "client/cpp/cli/text.h"

#include <gtest/gtest.h>

#include "client/cpp/cli/common_options.h"
#include "client/cpp/cli/progress.h"

namespace ablate::cli {
namespace {

TEST(QuoteTest, ShowsSpacesAndDisarmsControls) {
  EXPECT_EQ(Quote(" Germany"), "' Germany'");
  EXPECT_EQ(Quote("it's\\"), "'it\\'s\\\\'");
  EXPECT_EQ(Quote("\n\t\r"), "'\\n\\t\\r'");
  // A token must not be able to steer the terminal.
  EXPECT_EQ(Quote("\x1b[31m"), "'\\x1b[31m'");
  EXPECT_EQ(Quote("\xC2\x9B"), "'\\u009b'");
  EXPECT_EQ(Quote("\xC3\xA9"), "'\xC3\xA9'");
}

TEST(WidthTest, CountsCodePointsWithoutColours) {
  EXPECT_EQ(VisibleWidth("abc"), 3);
  EXPECT_EQ(VisibleWidth("\xC3\xA9\x1b[1mx\x1b[0m"), 2);
  EXPECT_EQ(PadRight("\xC3\xA9", 3), "\xC3\xA9  ");
  EXPECT_EQ(PadLeft("abc", 2), "abc");
}

TEST(CutTest, NeverCutsACodePoint) {
  EXPECT_EQ(Cut("abc", 3), "abc");
  EXPECT_EQ(Cut("abcdef", 5), "ab...");
  EXPECT_EQ(Cut("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 4), "\xC3\xA9...");
}

TEST(WrapTest, BreaksAtSpaces) {
  EXPECT_EQ(Wrap("one two three", 7), "one two\nthree");
  EXPECT_EQ(Wrap("one", 2), "one");
  EXPECT_EQ(Wrap("a longword b", 4), "a\nlongword\nb");
}

TEST(ProgressLineTest, ShowsRateAndRest) {
  EXPECT_EQ(ProgressLine(0, 100, absl::ZeroDuration()), "[........................] 0/100 rows  0 %");
  EXPECT_EQ(ProgressLine(50, 100, absl::Seconds(2)), "[############............] 50/100 rows  50 %  25 rows/s  ETA 2s");
  EXPECT_EQ(ProgressLine(100, 100, absl::Seconds(2)), "[########################] 100/100 rows  100 %  50 rows/s");
  EXPECT_EQ(ProgressLine(0, 0, absl::Seconds(1)), "[........................] 0/0 rows  0 %");
}

TEST(ParseTimeoutTest, Table) {
  EXPECT_EQ(*ParseTimeout("--timeout", "30s"), absl::Seconds(30));
  EXPECT_EQ(*ParseTimeout("--timeout", "500ms"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseTimeout("--timeout", "1.5"), absl::Milliseconds(1500));
  for (const char* wrong : {"0", "-1s", "soon", "inf", "nan", "10 parsecs"}) {
    EXPECT_EQ(ParseTimeout("--timeout", wrong).status().code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(TextTest, ACutLeavesTheSuffixWhole) {
  EXPECT_EQ(CutBefore("L0H1", "@7", 28), "L0H1@7");
  EXPECT_EQ(CutBefore("L0H*+L1H*+L2H*", "@7", 10), "L0H*+...@7");
}

}  // namespace
}  // namespace ablate::cli
