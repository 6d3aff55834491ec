#include "client/cpp/cli/prompts_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ablate::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PromptLinesTest, ReadsTextsIdsAndAbsentTokens) {
  const auto lines =
      ParsePromptLines("f",
                       "\xEF\xBB\xBF{\"prompt\": \"Rome is\", \"target\": \" Italy\", \"contrast\": 5}\r\n"
                       "\n"
                       "{\"token_ids\": [1, 2], \"target\": null}\n"
                       "{\"prompt\": \"caf\xC3\xA9\"}");
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_THAT(lines->line_numbers, ElementsAre(1, 3, 4));
  EXPECT_EQ(lines->prompts[0].text(), "Rome is");
  EXPECT_EQ(lines->prompts[0].target().text(), " Italy");
  EXPECT_EQ(lines->prompts[0].contrast().id(), 5);
  EXPECT_THAT(lines->prompts[1].token_ids().ids(), ElementsAre(1, 2));
  EXPECT_FALSE(lines->prompts[1].has_target());
  EXPECT_EQ(lines->prompts[2].text(), "caf\xC3\xA9");
}

struct Wrong {
  std::string text, says;
};

TEST(PromptLinesTest, NamesTheLine) {
  const std::vector<Wrong> table = {
      {"{\"prompt\": ", "not valid JSON"},
      {"[1]", "expected a JSON object"},
      {"{}", "`prompt` is missing"},
      {"{\"target\": \" x\"}", "`prompt` is missing"},
      {"{\"prompt\": 3}", "`prompt` is not a text: 3"},
      {"{\"prompt\": \"x\", \"traget\": \"y\"}", "unknown key `traget`"},
      {"{\"prompt\": \"x\", \"target\": 1.5}", "`target`: 1.5 is not a token id or a text"},
      {"{\"prompt\": \"x\", \"target\": -1}", "`target`: -1"},
      {"{\"prompt\": \"x\", \"target\": 4294967297}", "`target`: 4294967297"},
      {"{\"prompt\": \"x\", \"target\": 18446744073709551615}", "`target`: 18446744073709551615"},
      {"{\"prompt\": \"x\", \"contrast\": [1]}", "`contrast`: [1]"},
      {"{\"token_ids\": [1, \"a\"]}", "`token_ids`: \"a\""},
      {"{\"token_ids\": [1], \"prompt\": \"x\"}", "both `prompt` and `token_ids`"},
      {"{\"prompt\": \"\xff\"}", "UTF-8"},
      {"{\"prompt\": \"a\"} {}", "not valid JSON"}};
  for (const Wrong& wrong : table) {
    SCOPED_TRACE(wrong.text);
    const auto lines = ParsePromptLines("f.jsonl", "{\"prompt\": \"ok\"}\n" + wrong.text + "\n");
    EXPECT_EQ(lines.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(lines.status().message()), HasSubstr("f.jsonl, line 2: "));
    EXPECT_THAT(std::string(lines.status().message()), HasSubstr(wrong.says));
  }
}

TEST(PromptLinesTest, AnEmptyFileIsAnError) {
  EXPECT_THAT(std::string(ParsePromptLines("f", "\n \n").status().message()), HasSubstr("f holds no prompt"));
}

TEST(PromptLinesTest, AFileThatCannotBeReadIsNamed) {
  EXPECT_THAT(std::string(ReadPromptLines("/no/such.jsonl").status().message()), HasSubstr("/no/such.jsonl"));
  EXPECT_THAT(std::string(ReadPromptLines("/tmp").status().message()), HasSubstr("directory"));
}

}  // namespace
}  // namespace ablate::cli
