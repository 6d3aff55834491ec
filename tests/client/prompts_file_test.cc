#include "client/cpp/cli/prompts_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ablate::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Wrong {
  std::string text, says;
};

// Each wrong text, behind `before`, is refused with the line named.
void ExpectWrong(const std::string& before, const std::string& where, const std::vector<Wrong>& table) {
  for (const Wrong& wrong : table) {
    SCOPED_TRACE(wrong.text);
    const auto data = ParsePrompts("f", before + wrong.text);
    EXPECT_EQ(data.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(data.status().message()), HasSubstr(where));
    EXPECT_THAT(std::string(data.status().message()), HasSubstr(wrong.says));
  }
}

TEST(JsonLinesTest, ReadsTextsIdsAndAbsentTokens) {
  const auto data = ParsePrompts("f",
                                 "\xEF\xBB\xBF{\"prompt\": \"Rome is\", \"target\": \" Italy\", \"contrast\": 5}\r\n"
                                 "\n"
                                 "{\"token_ids\": [1, 2], \"target\": null}\n"
                                 "{\"prompt\": \"caf\xC3\xA9\"}");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->origins, ElementsAre("f, line 1", "f, line 3", "f, line 4"));
  EXPECT_EQ(data->prompts[0].text(), "Rome is");
  EXPECT_EQ(data->prompts[0].targets(0).text(), " Italy");
  EXPECT_EQ(data->prompts[0].contrasts(0).id(), 5);
  EXPECT_THAT(data->prompts[1].token_ids().ids(), ElementsAre(1, 2));
  EXPECT_THAT(data->prompts[1].targets(), IsEmpty());
  EXPECT_EQ(data->prompts[2].text(), "caf\xC3\xA9");
  EXPECT_THAT(data->field_names, IsEmpty());
}

TEST(JsonLinesTest, ReadsPairsSetsTemplatesAndKeepsTheRest) {
  const auto data = ParsePrompts(
      "f",
      "{\"clean\": \"a\", \"corrupted\": \"b\", \"targets\": [\" x\", 3], \"contrast\": [\" y\"], \"template\": 2, "
      "\"source\": \"web\", \"n\": {\"k\": [1]}}\n"
      "{\"prompt\": \"a\", \"corrupted_token_ids\": [4], \"template\": \"ABBA\", \"more\": 1.5}\n");
  ASSERT_TRUE(data.ok()) << data.status();
  const auto& pair = data->prompts[0];
  EXPECT_EQ(pair.text(), "a");
  EXPECT_EQ(pair.corrupted_text(), "b");
  EXPECT_EQ(pair.targets(0).text(), " x");
  EXPECT_EQ(pair.targets(1).id(), 3);
  EXPECT_EQ(pair.contrasts(0).text(), " y");
  EXPECT_EQ(pair.template_(), "2");
  EXPECT_THAT(data->prompts[1].corrupted_token_ids().ids(), ElementsAre(4));
  EXPECT_EQ(data->prompts[1].template_(), "ABBA");
  EXPECT_THAT(data->field_names, ElementsAre("source", "n", "more"));
  EXPECT_THAT(data->fields[0], ElementsAre("\"web\"", "{\"k\":[1]}"));
  EXPECT_THAT(data->fields[1], ElementsAre("", "", "1.5"));
}

TEST(JsonLinesTest, NamesTheLine) {
  ExpectWrong(
      "{\"prompt\": \"ok\"}\n", "f, line 2: ",
      {{"{\"prompt\": ", "not valid JSON"},
       {"[1]", "expected a JSON object"},
       {"{}", "`prompt` is missing"},
       {"{\"target\": \" x\"}", "`prompt` is missing"},
       {"{\"prompt\": 3}", "`prompt` is not a text: 3"},
       {"{\"prompt\": \"x\", \"target\": 1.5}", "`target`: 1.5 is not a token id or a text"},
       {"{\"prompt\": \"x\", \"target\": -1}", "`target`: -1"},
       {"{\"prompt\": \"x\", \"target\": 4294967297}", "`target`: 4294967297"},
       {"{\"prompt\": \"x\", \"target\": 18446744073709551615}", "`target`: 18446744073709551615"},
       {"{\"prompt\": \"x\", \"contrasts\": [[1]]}", "`contrasts`: [1]"},
       {"{\"prompt\": \"x\", \"target\": \"a\", \"targets\": [\"b\"]}", "the answer set is given a second time"},
       {"{\"token_ids\": [1, \"a\"]}", "`token_ids`: \"a\""},
       {"{\"token_ids\": [1], \"prompt\": \"x\"}", "the prompt is given a second time"},
       {"{\"prompt\": \"x\", \"corrupt\": \"y\", \"corrupted\": \"z\"}", "the corrupted prompt is given a second time"},
       {"{\"prompt\": \"x\", \"template\": [1]}", "`template` is not a text"},
       {"{\"prompt\": \"\xff\"}", "UTF-8"},
       {"{\"prompt\": \"a\"} {}", "not valid JSON"}});
}

// auto-circuit's layout.
TEST(JsonDocumentTest, ReadsItsPrompts) {
  const std::string text =
      "{\n \"seq_labels\": [\"a\"],\n \"prompts\": [\n"
      "  {\"clean\": \"The\", \"corrupt\": \"A\", \"answers\": [\" x\", \" y\"], \"wrong_answers\": [\" z\"], \"id\": "
      "7},\n"
      "  {\"clean\": [1, 2], \"corrupt\": [3, 4], \"answers\": [5], \"wrong_answers\": [6]}\n ]\n}\n";
  const auto data = ParsePrompts("ioi.json", text);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->origins, ElementsAre("ioi.json, prompts[0]", "ioi.json, prompts[1]"));
  EXPECT_EQ(data->prompts[0].corrupted_text(), "A");
  EXPECT_EQ(data->prompts[0].targets(1).text(), " y");
  EXPECT_EQ(data->prompts[0].contrasts(0).text(), " z");
  EXPECT_THAT(data->prompts[1].token_ids().ids(), ElementsAre(1, 2));
  EXPECT_THAT(data->prompts[1].corrupted_token_ids().ids(), ElementsAre(3, 4));
  EXPECT_EQ(data->prompts[1].targets(0).id(), 5);
  EXPECT_THAT(data->field_names, ElementsAre("id"));
  // On one line too.
  EXPECT_EQ(ParsePrompts("f", "{\"prompts\": [{\"clean\": \"a\"}]}")->prompts.size(), 1U);
}

// What pandas' to_json(orient="records") and json.dump write.
TEST(JsonDocumentTest, MayBeTheListAlone) {
  for (const char* text : {"[{\"prompt\": \"a\", \"note\": 1}, {\"clean\": \"b\"}]",
                           " [\n {\"prompt\": \"a\", \"note\": 1},\n {\"clean\": \"b\"}\n]\n"}) {
    const auto data = ParsePrompts("f.json", text);
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_THAT(data->origins, ElementsAre("f.json, prompts[0]", "f.json, prompts[1]"));
    EXPECT_EQ(data->prompts[1].text(), "b");
    EXPECT_THAT(data->field_names, ElementsAre("note"));
  }
  EXPECT_THAT(std::string(ParsePrompts("f", "[{\"prompt\": \"a\"}").status().message()), HasSubstr("in valid JSON"));
  EXPECT_THAT(std::string(ParsePrompts("f", "[1]").status().message()),
              HasSubstr("f, prompts[0]: expected a JSON object"));
  EXPECT_THAT(std::string(ParsePrompts("f", "[]").status().message()), HasSubstr("f holds no prompt"));
}

TEST(JsonDocumentTest, NamesThePrompt) {
  EXPECT_THAT(
      std::string(ParsePrompts("f", "{\"prompts\": [{\"clean\": \"a\"}, {\"answers\": []}]}").status().message()),
      HasSubstr("f, prompts[1]: `prompt` is missing"));
  EXPECT_THAT(std::string(ParsePrompts("f", "{\"prompts\":\n 3}").status().message()),
              HasSubstr("expected {\"prompts\""));
}

TEST(CsvPromptsTest, ReadsOurOwnColumns) {
  const auto data = ParsePrompts("f.csv",
                                 "prompt,target,contrasts,target_id,template,note\n"
                                 "Rome is, Italy,\"[\"\" France\"\", 3]\",,ab,\"x, y\"\n"
                                 "\n"
                                 "\"two\nlines\",,,17,,\n"
                                 "Paris is, France,,,,\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->origins, ElementsAre("f.csv, line 2", "f.csv, line 4", "f.csv, line 6"));
  EXPECT_EQ(data->prompts[0].targets(0).text(), " Italy");
  EXPECT_EQ(data->prompts[0].contrasts(0).text(), " France");
  EXPECT_EQ(data->prompts[0].contrasts(1).id(), 3);
  EXPECT_EQ(data->prompts[0].template_(), "ab");
  EXPECT_EQ(data->prompts[1].text(), "two\nlines");
  EXPECT_EQ(data->prompts[1].targets(0).id(), 17);
  EXPECT_THAT(data->field_names, ElementsAre("note"));
  EXPECT_THAT(data->fields[0], ElementsAre("\"x, y\""));
  EXPECT_THAT(data->fields[2], IsEmpty());
  EXPECT_FALSE(data->has_foreign_ids);
}

// EAP-IG's ids belong to somebody's tokenizer; its index column has no name.
TEST(CsvPromptsTest, ReadsEapIgsIds) {
  const auto data = ParsePrompts("f", ",clean,corrupted,correct_idx,incorrect_idx\n0,a,b,3,4\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_TRUE(data->has_foreign_ids);
  EXPECT_EQ(data->prompts[0].corrupted_text(), "b");
  EXPECT_EQ(data->prompts[0].targets(0).id(), 3);
  EXPECT_EQ(data->prompts[0].contrasts(0).id(), 4);
  EXPECT_THAT(data->field_names, ElementsAre("column_1"));
}

TEST(CsvPromptsTest, ReadsEapIgsYears) {
  const auto data = ParsePrompts("f", "clean,corrupted,label\nfrom 1732 to 17,from 1701 to 17,32\n1700 to 17,x,00\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->reduction, ablation::v1::REDUCTION_PROB_SUM);
  const auto& prompt = data->prompts[0];
  // Larger years against the others, the label's own among them: EAP-IG's `prob[year + 1:] - prob[:year + 1]`.
  ASSERT_EQ(prompt.targets_size(), 67);
  ASSERT_EQ(prompt.contrasts_size(), 33);
  EXPECT_EQ(prompt.targets(0).text(), "33");
  EXPECT_EQ(prompt.targets(66).text(), "99");
  EXPECT_EQ(prompt.contrasts(0).text(), "00");
  EXPECT_EQ(prompt.contrasts(32).text(), "32");
  EXPECT_EQ(data->prompts[1].contrasts_size(), 1);
}

// A label beside answers is a column like any other.
TEST(CsvPromptsTest, ALabelNeedNotBeAYear) {
  const auto data = ParsePrompts("f", "clean,corrupted,target,label\na,b, x,1932\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->field_names, ElementsAre("label"));
  EXPECT_EQ(data->reduction, ablation::v1::REDUCTION_UNSPECIFIED);
}

TEST(CsvPromptsTest, NamesTheLine) {
  ExpectWrong("prompt,target,target_id,token_ids\nok,,,\n", "f, line 3: ",
              {{"a,b\n", "2 fields, expected 4"},
               {",x,,\n", "`prompt` is missing"},
               {"a,x,-3,\n", "`target_id`: `-3` is not a token id"},
               {"a,x,3,\n", "`target_id`: another column names the token too"},
               {"a,,,3\n", "`token_ids`: `3` is not a list in JSON"},
               {"\xff,,,\n", "`prompt` is not valid UTF-8"},
               {"\"a\n", "a quote opens here"}});
  ExpectWrong("clean,corrupted,label\n", "f, line 2: ",
              {{"a,b,99\n", "`label`: `99`"}, {"a,b,x\n", "`label`: `x`"}, {"a,b,-1\n", "`label`: `-1`"}});
  ExpectWrong("", "f, line 1: ",
              {{"target\nx\n", "no column `prompt`"},
               // A semicolon for a comma, and no header at all.
               {"prompt;target\na;b\n", "but 'prompt;target'; expected such a header and commas between fields"},
               {"Rome is, Italy\n", "but 'Rome is, Italy'; expected such a header"},
               {"prompt,prompt\na,b\n", "names `prompt` twice"}});
}

TEST(PromptsFileTest, AnEmptyFileIsAnError) {
  EXPECT_THAT(std::string(ParsePrompts("f", "\n \n").status().message()), HasSubstr("f"));
  EXPECT_THAT(std::string(ParsePrompts("f", "").status().message()),
              HasSubstr("f holds no prompt; expected a line each, such as {\"prompt\":"));
  EXPECT_THAT(std::string(ParsePrompts("f", "prompt\n").status().message()), HasSubstr("f holds no prompt"));
}

TEST(PromptsFileTest, AFileThatCannotBeReadIsNamed) {
  EXPECT_THAT(std::string(ReadPrompts("/no/such.jsonl").status().message()),
              HasSubstr("--prompts: cannot read /no/such"));
  EXPECT_THAT(std::string(ReadPrompts("/tmp").status().message()), HasSubstr("directory"));
}

}  // namespace
}  // namespace ablate::cli
