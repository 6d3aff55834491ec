#include "client/cpp/cli/csv_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ablate::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::vector<std::string>> Fields(absl::string_view text) {
  std::vector<std::vector<std::string>> fields;
  const auto records = ReadCsv(text);
  EXPECT_TRUE(records.ok()) << records.status();
  for (const CsvRecord& record : *records) fields.push_back(record.fields);
  return fields;
}

TEST(CsvReaderTest, ReadsAsRfc4180) {
  EXPECT_THAT(Fields("a,b\nc,d\n"), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(Fields("a,b\r\nc,d"), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(Fields("\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n"),
              ElementsAre(ElementsAre("a,b", "say \"hi\"", "two\nlines")));
  EXPECT_THAT(Fields("a,,\n,\n"), ElementsAre(ElementsAre("a", "", ""), ElementsAre("", "")));
  EXPECT_THAT(Fields("a\n\n\r\nb"), ElementsAre(ElementsAre("a"), ElementsAre("b")));
  EXPECT_THAT(Fields(""), IsEmpty());
  // A carriage return alone ends no line.
  EXPECT_THAT(Fields("a\rb,c"), ElementsAre(ElementsAre("a\rb", "c")));
}

// A token's leading space is part of it.
TEST(CsvReaderTest, KeepsSpaces) {
  EXPECT_THAT(Fields(" Germany , France\n\" x \""),
              ElementsAre(ElementsAre(" Germany ", " France"), ElementsAre(" x ")));
}

TEST(CsvReaderTest, CountsLines) {
  const auto records = ReadCsv("a\n\n\"b\n\nc\",d\ne");
  ASSERT_TRUE(records.ok());
  EXPECT_EQ((*records)[1].line, 3);
  EXPECT_EQ((*records)[2].line, 6);
}

TEST(CsvReaderTest, NamesTheLine) {
  EXPECT_THAT(std::string(ReadCsv("a\nb\"c").status().message()), HasSubstr("line 2: a quote inside"));
  EXPECT_THAT(std::string(ReadCsv("a\n\"b\"c\n").status().message()), HasSubstr("line 2: text behind"));
  EXPECT_THAT(std::string(ReadCsv("a\n\"b\n\nc").status().message()), HasSubstr("line 2: a quote opens here"));
}

}  // namespace
}  // namespace ablate::cli
