#include "engine/model/tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace ablate::tokenizer {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Pieces(std::string_view text) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const size_t size = NextPiece(text);
    pieces.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return pieces;
}

TEST(PreTokenizer, TakesOneSpaceAlong) {
  EXPECT_THAT(Pieces("Berlin is 1!"), ElementsAre("Berlin", " is", " 1", "!"));
  EXPECT_THAT(Pieces("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(Pieces("a\tb"), ElementsAre("a", "\t", "b"));
  EXPECT_THAT(Pieces("a\u00a0b"), ElementsAre("a", "\u00a0", "b"));
  EXPECT_THAT(Pieces(" \n b"), ElementsAre(" \n", " b"));
  EXPECT_THAT(Pieces("a  "), ElementsAre("a", "  "));
  EXPECT_THAT(Pieces(" "), ElementsAre(" "));
}

TEST(PreTokenizer, CutsContractionsInLowerCaseOnly) {
  EXPECT_THAT(Pieces("I'll he'd"), ElementsAre("I", "'ll", " he", "'d"));
  EXPECT_THAT(Pieces("'sun"), ElementsAre("'s", "un"));
  EXPECT_THAT(Pieces("I'LL"), ElementsAre("I", "'", "LL"));
  EXPECT_THAT(Pieces(" 's"), ElementsAre(" '", "s"));
  EXPECT_THAT(Pieces("'l"), ElementsAre("'", "l"));
}

TEST(PreTokenizer, ClassesFollowUnicode) {
  EXPECT_THAT(Pieces("Zürich北京½Ⅷ3"), ElementsAre("Zürich北京", "½Ⅷ3"));
  EXPECT_THAT(Pieces("e\u0301"), ElementsAre("e", "\u0301"));                  // a mark is no letter
  EXPECT_THAT(Pieces("a\U00031350"), ElementsAre("a\U00031350"));              // Unicode 15: new to PCRE2 10.42
  EXPECT_THAT(Pieces("a\u200b\u2028"), ElementsAre("a", "\u200b", "\u2028"));  // a zero-width space is no space
}

}  // namespace
}  // namespace ablate::tokenizer
