#include "engine/forward/tuning_file.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "absl/strings/str_replace.h"
#include "engine/files/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/files/temp_dir.h"

namespace ablate {
namespace {

using kernels::GemmEpilogue;
using kernels::GemmPrecision;
using kernels::MeasuredBlockShape;
using kernels::MeasuredGemm;
using ::testing::AllOf;
using ::testing::HasSubstr;

MeasuredGemm Measured(int64_t m, uint64_t algorithm) {
  return {.shape = {.m = m,
                    .k = 768,
                    .n = 3072,
                    .x_stride = 768,
                    .weight_stride = 3072,
                    .out_stride = 3072,
                    .precision = GemmPrecision::kTf32,
                    .epilogue = GemmEpilogue::kGeluTanh,
                    .x_alignment = 256,
                    .weight_alignment = 16,
                    .bias_alignment = 64,
                    .out_alignment = 256},
          .algorithm = {algorithm, 0, UINT64_MAX, 3, 4, 5, 6, 7},
          .microseconds = 12.345678901234567};
}

MeasuredBlockShape Blocks(int64_t n, int32_t warps) {
  return {kernels::KindOf(kernels::TunedKernel::kAttend, 64, n, 6, 1024), {warps, 4}, 1.5};
}

class TuningFileTest : public ::testing::Test {
 protected:
  TuningFile File() const { return {folder_.File("made"), {"NVIDIA H100 80GB HBM3", 132, 130100}}; }
  std::string Text() const {
    std::ostringstream text;
    text << std::ifstream(File().path()).rdbuf();
    return text.str();
  }
  void Write(const std::string& text) const { std::ofstream(File().path()) << text; }

  const ablate::testing::TempDir folder_;
};

TEST_F(TuningFileTest, KeepsEveryField) {
  ASSERT_TRUE(File().Read().ok());
  EXPECT_TRUE(File().Read()->gemms.empty()) << "there is no file yet";
  ASSERT_TRUE(File().Add({{Measured(16, 1)}, {Blocks(4, 8)}}).ok());
  EXPECT_THAT(File().path(), HasSubstr("/made/tuning-nvidia-h100-80gb-hbm3-132-130100.json"));
  const auto read = File().Read();
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->gemms.size(), 1U);
  EXPECT_EQ(read->gemms[0].shape, Measured(16, 1).shape);
  EXPECT_EQ(read->gemms[0].algorithm, Measured(16, 1).algorithm);
  EXPECT_EQ(read->gemms[0].microseconds, Measured(16, 1).microseconds);
  ASSERT_EQ(read->blocks.size(), 1U);
  EXPECT_EQ(read->blocks[0].kind, Blocks(4, 8).kind);
  EXPECT_EQ(read->blocks[0].shape, Blocks(4, 8).shape);
  EXPECT_EQ(read->blocks[0].microseconds, Blocks(4, 8).microseconds);
}

TEST_F(TuningFileTest, EveryKernelHasAName) {
  Tuning tuning;
  for (const kernels::TunedKernel kernel : kernels::kTunedKernels) {
    tuning.blocks.push_back({kernels::KindOf(kernel, 64, 1), kernels::UsualBlockShape(kernel, 64), 1});
  }
  ASSERT_TRUE(File().Add(tuning).ok());
  ASSERT_TRUE(File().Read().ok()) << File().Read().status();
  EXPECT_EQ(File().Read()->blocks.size(), std::size(kernels::kTunedKernels));
}

TEST_F(TuningFileTest, AddsToWhatAnotherProcessWrote) {
  ASSERT_TRUE(File().Add({{Measured(16, 1), Measured(32, 2)}, {Blocks(4, 8)}}).ok());
  ASSERT_TRUE(File().Add({{Measured(32, 9), Measured(48, 3)}, {Blocks(2, 8), Blocks(4, 2)}}).ok());
  const auto read = File().Read();
  ASSERT_EQ(read->gemms.size(), 3U);
  EXPECT_EQ(read->gemms[0].algorithm[0], 1U);
  EXPECT_EQ(read->gemms[1].algorithm[0], 9U);
  EXPECT_EQ(read->gemms[2].algorithm[0], 3U);
  ASSERT_EQ(read->blocks.size(), 2U);
  EXPECT_EQ(read->blocks[0].shape.warps, 8);
  EXPECT_EQ(read->blocks[1].shape.warps, 2);
}

TEST_F(TuningFileTest, DamageIsToldAndTheNextWriteMendsIt) {
  ASSERT_TRUE(File().Add({{Measured(16, 1)}, {Blocks(4, 8)}}).ok());
  const std::string good = Text();
  const std::string bad[] = {"",
                             "{",
                             "[]",
                             "{}",
                             good.substr(0, good.size() / 2),
                             absl::StrReplaceAll(good, {{"\"m\":16", "\"m\":17"}}),
                             absl::StrReplaceAll(good, {{"\"sha256\"", "\"sha\""}})};
  for (const std::string& text : bad) {
    ASSERT_NE(text, good);
    Write(text);
    EXPECT_THAT(File().Read().status().message(), HasSubstr(File().path())) << text;
    ASSERT_TRUE(File().Add({{Measured(32, 2)}, {}}).ok());
    ASSERT_TRUE(File().Read().ok());
    EXPECT_TRUE(File().Read()->blocks.empty());
    EXPECT_EQ(File().Read()->gemms.size(), 1U) << "of a damaged file nothing is kept";
  }
}

// What carries the right digest but was never written.
TEST_F(TuningFileTest, WrongEntriesAreNamed) {
  ASSERT_TRUE(File().Add({{Measured(16, 1)}, {Blocks(4, 8)}}).ok());
  const std::string good = Text();
  using Json = nlohmann::json;
  const auto message = [&](auto change) {
    Json json = Json::parse(good);
    json.erase("sha256");
    change(json);
    const std::string content = json.dump();
    const absl::Span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(content.data()), content.size());
    json["sha256"] = Sha256Hex({&bytes, 1}).value();
    Write(json.dump() + "\n");
    const auto read = File().Read();
    return std::string(read.ok() ? "" : read.status().message());
  };
  EXPECT_EQ(message([](Json& j) { j["products"][0]["m"] = 32; }), "");
  const std::string product = "products[0] is none that was measured", blocks = "blocks[0] is none that was measured";
  EXPECT_THAT(message([](Json& j) { j["products"][0]["m"] = 0; }), HasSubstr(product));
  EXPECT_THAT(message([](Json& j) { j["products"][0]["precision"] = "tf33"; }), HasSubstr(product));
  EXPECT_THAT(message([](Json& j) { j["products"][0].erase("algorithm"); }), HasSubstr(product));
  EXPECT_THAT(message([](Json& j) { j["blocks"][0]["kernel"] = "attended"; }), HasSubstr(blocks));
  EXPECT_THAT(message([](Json& j) { j["blocks"][0]["keys"] = 0; }), HasSubstr(blocks));
  EXPECT_THAT(message([](Json& j) { j["blocks"][0].erase("warps"); }), HasSubstr(blocks));
  EXPECT_THAT(message([](Json& j) { j.erase("blocks"); }), HasSubstr("has no list of blocks"));
  EXPECT_THAT(message([](Json& j) { j["products"] = 1; }), HasSubstr("has no list of products"));
  // Blocks of other kernels than these are left out, whatever they are.
  EXPECT_EQ(message([](Json& j) { j["blocks_version"] = 0, j["blocks"] = 1; }), "");
  EXPECT_EQ(File().Read()->gemms.size(), 1U);
  EXPECT_TRUE(File().Read()->blocks.empty());
}

TEST_F(TuningFileTest, AnotherGpusFileIsNotRead) {
  const TuningFile other(folder_.File("made"), {"NVIDIA H100 80GB HBM3", 66, 130100});
  ASSERT_TRUE(other.Add({{Measured(16, 1)}, {}}).ok());
  EXPECT_NE(other.path(), File().path());
  EXPECT_TRUE(File().Read()->gemms.empty());
  std::filesystem::copy_file(other.path(), File().path());
  EXPECT_THAT(File().Read().status().message(), HasSubstr("of another format, GPU, or version"));
}

TEST_F(TuningFileTest, GrowsToALimit) {
  Tuning many;
  for (size_t i = 0; i < TuningFile::kMost + 10; ++i) {
    many.gemms.push_back(Measured(static_cast<int64_t>(i) + 1, i));
  }
  many.blocks = {Blocks(4, 8)};
  ASSERT_TRUE(File().Add(many).ok());
  EXPECT_EQ(File().Read()->gemms.size(), TuningFile::kMost);
  EXPECT_EQ(File().Read()->blocks.size(), 1U);
}

TEST_F(TuningFileTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder_.File("made")) << "a file";
  EXPECT_THAT(File().Add({{Measured(16, 1)}, {}}).message(),
              AllOf(HasSubstr("make "), HasSubstr(folder_.File("made"))));
}

}  // namespace
}  // namespace ablate
