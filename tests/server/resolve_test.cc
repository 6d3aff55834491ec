#include "server/resolve.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/prepare_call.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Warnings(const std::string& prompt) {
  return PromptWarnings(RequestOf("prompts { " + prompt + " }").prompts(0));
}

TEST(PromptWarningsTest, TellOfSpaces) {
  EXPECT_THAT(Warnings("text: 'Berlin is' targets { text: ' Germany' } contrasts { id: 3 }"), IsEmpty());
  EXPECT_THAT(Warnings("text: 'Berlin is ' corrupted_text: 'x '"),
              ElementsAre(HasSubstr("the prompt ends in a space"), HasSubstr("the corrupted prompt ends in a space")));
  EXPECT_THAT(
      Warnings("text: 'x' contrasts { text: 'France' }"),
      ElementsAre(HasSubstr("the contrast \"France\" has no leading space; in running text the token is usually "
                            "\" France\"")));
}

TEST(PromptWarningsTest, OneForAWholeSet) {
  EXPECT_THAT(
      Warnings("text: 'x' targets { text: ' a' } targets { text: 'b' } targets { id: 1 } targets { text: 'c' }"),
      ElementsAre(HasSubstr("the target \"b\" (and 1 more) has no leading space")));
}

}  // namespace
}  // namespace ablate
