#include "client/cpp/cli/ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ablate::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseRangesTest, ReadsNumbersAndRangesInTheOrderWritten) {
  EXPECT_THAT(*ParseRanges("--layers", "0-3"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(*ParseRanges("--layers", "0,3,5-7"), ElementsAre(0, 3, 5, 6, 7));
  EXPECT_THAT(*ParseRanges("--layers", "11, 2"), ElementsAre(11, 2));
  EXPECT_THAT(*ParseRanges("--layers", "4-4"), ElementsAre(4));
}

struct Wrong {
  std::string text, says;
};

TEST(ParseRangesTest, NamesTheOptionAndThePart) {
  const std::vector<Wrong> table = {{"", "`` is not a number"},     {"x", "`x` is not a number"},
                                    {"0,,2", "`` is not"},          {"3-1", "`3-1` falls"},
                                    {"-1", "`-1` is not"},          {"1-", "`1-` is not"},
                                    {"1-2-3", "`1-2-3` is not"},    {"0-3,2", "names 2 a second time"},
                                    {"+1", "`+1` is not"},          {"1.5", "`1.5` is not"},
                                    {"0-99999", "`0-99999` is not"}};
  for (const Wrong& wrong : table) {
    SCOPED_TRACE(wrong.text);
    const auto result = ParseRanges("--heads", wrong.text);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("--heads"));
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(wrong.says));
  }
}

}  // namespace
}  // namespace ablate::cli
