// Libraries through their files, and files that are damaged.
#include "server/means/mean_file.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>

#include "engine/model/safetensors.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/server/means/make_library.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::Span<const uint8_t> BytesOf(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string FileOf(const MeanLibrary& library) {
  const auto file = MeanFile::Make(std::make_shared<const MeanLibrary>(library));
  EXPECT_TRUE(file.ok()) << file.status();
  return file->Read(0, file->size_bytes());
}

absl::StatusOr<MeanLibrary> Parse(const std::string& file) {
  return ParseMeanFile(BytesOf(file), "m.safetensors");
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  EXPECT_EQ(from.size(), to.size()) << "the header's length must stay";
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(MeanFileTest, ALibraryComesBackAsItWas) {
  const MeanLibrary library = MakeLibrary();
  const std::string file = FileOf(library);
  const auto back = Parse(file);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->mean, library.mean);
  EXPECT_EQ(back->count, library.count);
  EXPECT_EQ(back->n_layers, 2);
  EXPECT_EQ(back->n_heads, 3);
  EXPECT_EQ(back->d_head, 4);
  ablation::v1::MeanLibrary expected = library.info;
  expected.set_size_bytes(static_cast<int64_t>(file.size()));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(back->info, expected)) << back->info.DebugString();
  // And again: the same bytes.
  EXPECT_EQ(FileOf(*back), file);
  const auto info = ParseMeanInfo(BytesOf(file), "m.safetensors");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*info, expected));
}

TEST(MeanFileTest, IsWhatTheContractSays) {
  std::map<std::string, std::string> metadata;
  const std::string file = FileOf(MakeLibrary());
  const auto tensors = ParseSafetensors(BytesOf(file), "m.safetensors", &metadata);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 2U);
  EXPECT_EQ((*tensors)[0].name, "mean");
  EXPECT_EQ((*tensors)[0].dtype, Dtype::kF64);
  EXPECT_THAT((*tensors)[0].shape, ElementsAre(1, 2, 3, 3, 4));
  EXPECT_EQ((*tensors)[1].name, "count");
  EXPECT_EQ((*tensors)[1].dtype, Dtype::kI64);
  EXPECT_THAT((*tensors)[1].shape, ElementsAre(1, 3));
  EXPECT_THAT(metadata["ablate.mean_library"], HasSubstr(R"("weights_sha256":"3e1f")"));
  EXPECT_EQ(((*tensors)[0].bytes.data() - BytesOf(file).data()) % 8, 0) << "aligned";
}

TEST(MeanFileTest, AnyPieceOfTheFileIsTheSame) {
  const auto file = MeanFile::Make(std::make_shared<const MeanLibrary>(MakeLibrary()));
  ASSERT_TRUE(file.ok());
  const std::string whole = file->Read(0, file->size_bytes());
  ASSERT_EQ(static_cast<int64_t>(whole.size()), file->size_bytes());
  for (const int64_t size : {1, 7, 64, 1000}) {
    std::string pieces;
    for (std::string piece = file->Read(0, size); !piece.empty();
         piece = file->Read(static_cast<int64_t>(pieces.size()), size)) {
      ASSERT_LE(static_cast<int64_t>(piece.size()), size);
      pieces += piece;
    }
    EXPECT_EQ(pieces, whole) << size;
  }
}

struct Damage {
  std::string kind;
  std::function<void(MeanLibrary&)> damage;
  std::string message;
};

// What the maker of a file may get wrong.
TEST(MeanFileTest, ALibraryThatContradictsItselfIsNotWritten) {
  const Damage damages[] = {
      {"an id of something else", [](auto& l) { l.info.set_id(std::string(32, '0')); }, "id: got `0000"},
      {"no id", [](auto& l) { l.info.clear_id(); }, "id: got ``, expected `"},
      {"no mode", [](auto& l) { l.info.mutable_options()->clear_mode(); }, "options.mode: got 0"},
      {"no source", [](auto& l) { l.info.mutable_options()->clear_source(); }, "options.source: got 0"},
      {"no min_count", [](auto& l) { l.info.mutable_options()->clear_min_count(); }, "options.min_count: got 0"},
      {"no group", [](auto& l) { l.info.clear_templates(); }, "templates: got 0 templates, expected one empty name"},
      {"a pooled mean with positions",
       [](auto& l) { l.info.mutable_options()->set_mode(ablation::v1::MEAN_MODE_POOLED); },
       "n_positions: got 3, expected 1, since the means are pooled"},
      {"groups twice",
       [](auto& l) {
         l.info.mutable_options()->set_group_by_template(true);
         l.info.clear_templates();
         l.info.add_templates("a");
         l.info.add_templates("a");
       },
       "templates[1]: is empty or named twice"},
      {"too few means", [](auto& l) { l.mean.pop_back(); }, "mean: the arrays have 71 and 3 elements"},
      {"too few counts", [](auto& l) { l.count.pop_back(); }, "mean: the arrays have 72 and 2 elements"},
      {"a mean that is none", [](auto& l) { l.mean[5] = std::nan(""); }, "mean: element 5 is nan"},
      {"an infinite mean", [](auto& l) { l.mean[6] = std::numeric_limits<double>::infinity(); }, "element 6 is inf"},
      {"a negative count", [](auto& l) { l.count = {8, 0, -1}; }, "count: element 0 is 8, expected 0 .. 7"},
      {"a count too small", [](auto& l) { l.count = {3, 2, 1}; }, "count: adds up to 6, expected n_tokens, 7"},
  };
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.kind);
    MeanLibrary library = MakeLibrary();
    damage.damage(library);
    const auto file = MeanFile::Make(std::make_shared<const MeanLibrary>(library));
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(file.status().message()), HasSubstr(damage.message));
  }
}

// What a disk or an editor may do to one.
TEST(MeanFileTest, EveryDamageIsRefusedWithItsMessage) {
  const std::string good = FileOf(MakeLibrary());
  std::string bit = good;
  bit[good.size() - 8 * 10] ^= 1;
  const std::string id = MakeLibrary().info.id();
  const struct {
    std::string kind, file, message;
  } cases[] = {
      {"empty", "", "the file has 0 bytes"},
      {"no safetensors", std::string(100, 'x'), "is this a safetensors file?"},
      {"cut off", good.substr(0, good.size() - 1), "expected begin <= end <="},
      {"cut in the header", good.substr(0, 100), "the file is cut off"},
      {"one bit", bit, "the file is damaged"},
      {"another hash",
       Replaced(good, "ablate.arrays_sha256\":\"", "ablate.arrays_sha256\":\"")
           .replace(good.find("ablate.arrays_sha256\":\"") + 23, 4, "zzzz"),
       "as `ablate.arrays_sha256` says"},
      {"no description", Replaced(good, "ablate.mean_library", "ablate.moan_library"), "is this a mean library?"},
      {"no hash", Replaced(good, "ablate.arrays_sha256", "ablate.arrays_sha255"), "no `ablate.arrays_sha256`"},
      {"another field", Replaced(good, "n_prompts", "n_prampts"), "is no mean library in protobuf's JSON"},
      {"another model", Replaced(good, "3e1f", "3e1e"), "id: got `" + id},
      {"another tensor", Replaced(good, "\"count\"", "\"caunt\""), "there is no tensor `count`"},
      {"another type", Replaced(good, "\"I64\"", "\"U64\""), "tensor `count` is [1, 3] of U64, expected 2 dimensions"},
      {"another type of mean", Replaced(good, "\"F64\"", "\"I64\""), "expected 5 dimensions of F64"},
      {"another shape", Replaced(good, "[1,2,3,3,4]", "[1,2,3,4,3]"),
       "expected these two, [1, layers, heads, 3, d_head]"},
      {"dimensions", Replaced(good, "[1,2,3,3,4]", "[1,2,3,012]"), "not valid JSON"},
  };
  for (const auto& damage : cases) {
    SCOPED_TRACE(damage.kind);
    const auto parsed = Parse(damage.file);
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(damage.message));
    EXPECT_THAT(std::string(parsed.status().message()), testing::StartsWith("m.safetensors: "));
  }
}

// A status, never a crash, and never another library: every byte is under some check.
TEST(MeanFileTest, RandomDamageIsNeverTakenForTheLibrary) {
  const MeanLibrary library = MakeLibrary();
  const std::string good = FileOf(library);
  std::mt19937 random(4);
  for (int round = 0; round < 3000; ++round) {
    std::string file = good;
    for (int edits = 1 + static_cast<int>(random() % 3); edits > 0; --edits) {
      file[random() % file.size()] = static_cast<char>(random());
    }
    const auto parsed = Parse(file);
    if (!parsed.ok()) continue;
    // Only what the id does not cover, and the header's spaces, may differ.
    EXPECT_EQ(parsed->mean, library.mean);
    EXPECT_EQ(parsed->count, library.count);
    EXPECT_EQ(parsed->info.id(), library.info.id());
    EXPECT_EQ(parsed->info.weights_sha256(), library.info.weights_sha256());
  }
}

// A name of that length made a file that was stored and could not be read.
TEST(MeanFileTest, NoFileIsMadeThatCannotBeRead) {
  MeanLibrary library = MakeLibrary();
  library.info.set_display_name(std::string(size_t{17} << 20, 'n'));
  const auto file = MeanFile::Make(std::make_shared<const MeanLibrary>(library));
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("expected at most 16777216"));
}

TEST(MeanBytesTest, NeverOverflows) {
  EXPECT_EQ(MeanBytes(1, 3, 2, 3, 4), (72 + 3) * 8);
  EXPECT_EQ(MeanBytes(1, 1024, 48, 25, 64), (int64_t{1024} * 48 * 25 * 64 + 1024) * 8);
  EXPECT_EQ(MeanBytes(1'000'000, 1024, 48, 25, 64), kMaxMeanBytes + 1);
  EXPECT_EQ(MeanBytes(int64_t{1} << 62, int64_t{1} << 62, 2, 2, 2), kMaxMeanBytes + 1);
}

}  // namespace
}  // namespace ablate
