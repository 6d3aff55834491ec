#include "engine/files/strict_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ablate {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(StrictJson, ReadsAnObject) {
  const auto value = ParseStrictJson(R"({"a": [1, {"a": null}], "b": {"a": "x"}})", "f.json");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ((*value)["b"]["a"], "x");
}

TEST(StrictJson, WhatAParserWouldSwallowIsRefused) {
  const struct {
    std::string text;
    const char* says;
  } cases[] = {
      {"", "not valid JSON, the text ends at byte 1"},
      {"{\"a\": 1} x", "not valid JSON at byte"},
      {std::string("{\"a\": 1}\0{", 10), "not valid JSON, a NUL byte at byte 8"},
      {"{\"a\": 1, \"b\": {\"c\": 1, \"c\": 2}}", "key `c` appears twice in one object, expected once"},
      {"[1]", "a JSON array came, expected a JSON object"},
      {"{\"a\": " + std::string(40, '[') + std::string(40, ']') + "}", "JSON nested deeper than 32 levels"},
      {"{\"\xFF\": 1}", "not valid JSON at byte"},
      {"{\"a\": 1e999}", "not valid JSON at byte"},
  };
  for (const auto& [text, says] : cases) {
    const auto value = ParseStrictJson(text, "f.json");
    EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(value.status().message()), StartsWith("f.json: "));
    EXPECT_THAT(std::string(value.status().message()), HasSubstr(says));
  }
}

TEST(StrictJson, QuotesAreFitForOneLineOfAMessage) {
  EXPECT_EQ(Quote(std::string_view("a\n\"\xFF")), "`a\\n\\\"\\ufffd`");
  EXPECT_EQ(Quote(std::string_view(std::string(200, 'x'))), "`" + std::string(100, 'x') + "...`");
  EXPECT_EQ(Quote(nlohmann::json{{"a", 1}}), "`{\"a\":1}`");
}

}  // namespace
}  // namespace ablate
