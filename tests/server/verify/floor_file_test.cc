#include "server/verify/floor_file.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FloorFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("floors-" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    path_ = (folder_ / "numeric_floor.json").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Put(const std::string& text) const { std::ofstream(path_) << text; }
  std::string Text() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }

  fs::path folder_;
  std::string path_;
  const FloorKey key_ = {.weights_sha256 = "3e1f",
                         .device_name = "A \"processor\"",
                         .precision = "float32",
                         .engine_version = "0.1.0",
                         .torch_version = "2.11.0"};
};

ColumnError Error(const std::string& column, int32_t n_tokens, double floor) {
  return {.column = column,
          .n_tokens = n_tokens,
          .stats = {.n_values = 4000, .median = floor / 8, .floor = floor, .worst = floor * 2}};
}

// Thirds have no short decimals: every bit must come back.
const std::vector<ColumnError> kErrors = {Error("entropy", 8, 1e-6 / 3), Error("entropy", 128, 2e-6 / 3),
                                          Error("target_rank", 8, 0)};

TEST_F(FloorFileTest, ComesBackBitForBit) {
  ASSERT_TRUE(WriteFloors(path_, key_, kErrors).ok());
  const auto floors = ReadFloors(path_, key_);
  ASSERT_TRUE(floors.ok()) << floors.status();
  EXPECT_THAT(*floors, ElementsAre(NumericFloor{"entropy", 8, 1e-6 / 3}, NumericFloor{"entropy", 128, 2e-6 / 3},
                                   NumericFloor{"target_rank", 8, 0}));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "a temporary file is left";
}

TEST_F(FloorFileTest, EveryPartOfTheKeyCounts) {
  ASSERT_TRUE(WriteFloors(path_, key_, kErrors).ok());
  std::vector<FloorKey> others(5, key_);
  others[0].weights_sha256 = "3e1e";
  others[1].device_name = "another processor";
  others[2].precision = "tf32";
  others[3].engine_version = "0.1.1";
  others[4].torch_version = "2.12.0";
  for (const FloorKey& other : others) {
    const absl::Status status = ReadFloors(path_, other).status();
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path_), HasSubstr(other.device_name)));
  }
}

TEST_F(FloorFileTest, KeysStandBesideEachOtherAndAreReplacedAlone) {
  FloorKey other = key_;
  other.device_name = "a GPU";
  ASSERT_TRUE(WriteFloors(path_, key_, kErrors).ok());
  ASSERT_TRUE(WriteFloors(path_, other, {Error("entropy", 8, 0.5)}).ok());
  ASSERT_TRUE(WriteFloors(path_, key_, {Error("entropy", 8, 0.25)}).ok());
  EXPECT_THAT(*ReadFloors(path_, key_), ElementsAre(NumericFloor{"entropy", 8, 0.25}));
  EXPECT_THAT(*ReadFloors(path_, other), ElementsAre(NumericFloor{"entropy", 8, 0.5}));
}

TEST_F(FloorFileTest, NoFileIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(ReadFloors(path_, key_).status()));
}

TEST_F(FloorFileTest, WhatIsNotOursIsRefusedAndLeftAlone) {
  for (const std::string text :
       {"", "{", "[]", "{}", R"({"model_type": "gpt2"})", R"({"format": "ablate.numeric_floor", "version": 2})",
        R"({"format": "ablate.numeric_floor", "version": 1})",
        R"({"format": "ablate.numeric_floor", "version": 1, "measurements": [1]})"}) {
    Put(text);
    const absl::Status read = ReadFloors(path_, key_).status();
    EXPECT_TRUE(absl::IsInvalidArgument(read)) << text << ": " << read;
    EXPECT_THAT(std::string(read.message()), HasSubstr(path_)) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(WriteFloors(path_, key_, kErrors))) << text;
    EXPECT_EQ(Text(), text);
  }
}

TEST_F(FloorFileTest, EveryTruncationIsDamage) {
  ASSERT_TRUE(WriteFloors(path_, key_, kErrors).ok());
  const std::string whole = Text();
  // Without its last line break it is whole.
  for (size_t size = 0; size + 2 < whole.size(); size += 7) {
    Put(whole.substr(0, size));
    EXPECT_TRUE(absl::IsInvalidArgument(ReadFloors(path_, key_).status())) << size;
  }
}

TEST_F(FloorFileTest, FiguresThatCannotBeAreDamage) {
  ASSERT_TRUE(WriteFloors(path_, key_, {Error("entropy", 8, 0.25), Error("entropy", 16, 0.5)}).ok());
  const std::string whole = Text();
  const std::vector<std::pair<std::string, std::string>> damages = {{"\"floor\": 0.25", "\"floor\": -0.25"},
                                                                    {"\"floor\": 0.25", "\"floor\": null"},
                                                                    {"\"floor\": 0.25", "\"floor\": 1e999"},
                                                                    {"\"n_tokens\": 8", "\"n_tokens\": 0"},
                                                                    {"\"n_tokens\": 8", "\"n_tokens\": 8.5"},
                                                                    {"\"n_tokens\": 8", "\"n_tokens\": 99999999999"},
                                                                    {"\"n_tokens\": 8", "\"n_tokens\": 16"},
                                                                    {"\"column\": \"entropy\"", "\"column\": 7"},
                                                                    {"\"columns\"", "\"colums\""}};
  for (const auto& [from, to] : damages) {
    std::string text = whole;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << whole;
    text.replace(at, from.size(), to);
    Put(text);
    EXPECT_TRUE(absl::IsInvalidArgument(ReadFloors(path_, key_).status())) << to;
  }
}

TEST_F(FloorFileTest, AFolderThatCannotBeWrittenIsAFailedPrecondition) {
  Put("a file");
  const std::string inside = path_ + "/numeric_floor.json";
  const absl::Status status = WriteFloors(inside, key_, kErrors);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(inside));
}

TEST_F(FloorFileTest, KeysComeFromTheEngine) {
  EngineInfo info;
  info.weights_sha256 = "3e1f";
  info.device = "cuda:0";
  info.device_name = "A \"processor\"";
  info.torch_version = "2.11.0";
  EXPECT_EQ(MakeFloorKey(info, "0.1.0"), key_);
  EXPECT_EQ(DefaultFloorFile("models/demo/"), "models/demo/numeric_floor.json");
}

}  // namespace
}  // namespace ablate
