#include "engine/model/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/model/tokenizer/tokenizer_folder.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using testing::Folder;
using testing::SmallMerges;
using testing::SmallTokenizerJson;
using testing::SmallVocabulary;
using Ids = std::vector<int32_t>;

std::unique_ptr<const Tokenizer> LoadFrom(const std::vector<std::pair<std::string, std::string>>& files) {
  const Folder folder(files);
  auto loaded = Tokenizer::Load(folder.path());
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? *std::move(loaded) : nullptr;
}

std::unique_ptr<const Tokenizer> LoadSmall() {
  return LoadFrom({{"vocab.json", SmallVocabulary().dump()}, {"merges.txt", SmallMerges()}});
}

Ids Encode(const Tokenizer& tokenizer, std::string_view text) {
  auto ids = tokenizer.Encode(text);
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.ok() ? *ids : Ids{};
}

TEST(Tokenizer, MergesInTheListsOrder) {
  const auto tokenizer = LoadSmall();
  EXPECT_THAT(Encode(*tokenizer, "hello w"), ElementsAre(259, 260));
  EXPECT_THAT(Encode(*tokenizer, "hel"), ElementsAre(256, 75));
  EXPECT_THAT(Encode(*tokenizer, "lll"), ElementsAre(257, 75));  // leftmost first
  EXPECT_THAT(Encode(*tokenizer, ""), ElementsAre());
}

TEST(Tokenizer, TellsItsFacts) {
  const auto tokenizer = LoadSmall();
  EXPECT_EQ(tokenizer->vocab_size(), 262);
  EXPECT_EQ(tokenizer->bos_token_id(), 261);
  EXPECT_EQ(tokenizer->sha256().size(), 64);
}

TEST(Tokenizer, FindsTheSpecialTokenInText) {
  const auto tokenizer = LoadSmall();
  EXPECT_THAT(Encode(*tokenizer, "he<|endoftext|> w<|endoftext|>"), ElementsAre(256, 261, 260, 261));
  EXPECT_EQ(tokenizer->TokenText(261), "<|endoftext|>");
  EXPECT_EQ(tokenizer->TokenBytes(261), "<|endoftext|>");
}

TEST(Tokenizer, NeedsNoSpecialToken) {
  nlohmann::json vocabulary = SmallVocabulary();
  vocabulary.erase("<|endoftext|>");
  const auto tokenizer = LoadFrom({{"vocab.json", vocabulary.dump()}, {"merges.txt", SmallMerges()}});
  EXPECT_EQ(tokenizer->bos_token_id(), -1);
  EXPECT_EQ(Encode(*tokenizer, "<|endoftext|>").size(), 13);
}

TEST(Tokenizer, EachByteHasItsToken) {
  const auto tokenizer = LoadSmall();
  std::string seen;
  for (int32_t id = 0; id < 256; ++id) seen += tokenizer->TokenBytes(id);
  EXPECT_EQ(seen.size(), 256);
  for (int byte = 0; byte < 256; ++byte) EXPECT_NE(seen.find(static_cast<char>(byte)), std::string::npos) << byte;
}

TEST(Tokenizer, DecodesPartsOfCharactersAsReplacements) {
  const auto tokenizer = LoadSmall();
  const Ids euro = Encode(*tokenizer, "€");
  ASSERT_EQ(euro.size(), 3);
  EXPECT_EQ(tokenizer->Decode(euro), "€");
  EXPECT_EQ(tokenizer->TokenText(euro[0]), "\uFFFD");
  EXPECT_EQ(tokenizer->Decode({euro[0], euro[1]}), "\uFFFD");        // one maximal invalid part
  EXPECT_EQ(tokenizer->Decode({euro[1], euro[2]}), "\uFFFD\uFFFD");  // two that begin nothing
  EXPECT_EQ(tokenizer->Decode({euro[0], 64, euro[0]}),
            "\uFFFD"
            "a\uFFFD");  // cut by a letter and by the end
  EXPECT_EQ(tokenizer->TokenBytes(euro[0]), "\xE2");
}

TEST(Tokenizer, IdsOutsideHaveNoText) {
  const auto tokenizer = LoadSmall();
  EXPECT_EQ(tokenizer->TokenBytes(-1), "");
  EXPECT_EQ(tokenizer->TokenText(262), "");
  EXPECT_EQ(tokenizer->Decode({256, 1 << 30}), "he");
}

TEST(Tokenizer, RefusesBytesThatAreNotUtf8) {
  const auto tokenizer = LoadSmall();
  for (const auto& [bytes, message] :
       std::vector<std::pair<std::string, std::string>>{{"ab\xff", "byte 0xFF at offset 2"},
                                                        {"\xE2\x82", "byte 0xE2 at offset 0"},
                                                        {"x\xED\xA0\x80", "byte 0xED at offset 1"},
                                                        {"\xC0\xAF", "byte 0xC0 at offset 0"}}) {
    const auto ids = tokenizer->Encode(bytes);
    EXPECT_EQ(ids.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(ids.status().message()), ::testing::HasSubstr(message));
  }
}

TEST(Tokenizer, TokenizerJsonGivesTheSameIds) {
  const auto pair = LoadSmall();
  const auto whole = LoadFrom({{"tokenizer.json", SmallTokenizerJson().dump()}});
  for (const char* text : {"hello w<|endoftext|>", "he'll  \n hello", "€ 12"}) {
    EXPECT_EQ(Encode(*whole, text), Encode(*pair, text)) << text;
  }
  EXPECT_EQ(whole->vocab_size(), pair->vocab_size());
  EXPECT_EQ(whole->bos_token_id(), 261);
}

TEST(Tokenizer, ReadsAddedTokensBesideThePair) {
  const char* config = R"({"add_prefix_space": false, "added_tokens_decoder": {
      "263": {"content": "<|im start|>", "special": true, "normalized": false}}})";
  const auto tokenizer = LoadFrom({{"vocab.json", SmallVocabulary().dump()},
                                   {"merges.txt", SmallMerges()},
                                   {"added_tokens.json", R"({"<|im": 262})"},
                                   {"tokenizer_config.json", config}});
  EXPECT_EQ(tokenizer->vocab_size(), 264);
  EXPECT_THAT(Encode(*tokenizer, "he<|im start|><|im w"), ElementsAre(256, 263, 262, 260));
  EXPECT_EQ(tokenizer->Decode({263, 262}), "<|im start|><|im");
}

TEST(Tokenizer, WindowsLineEndsInMerges) {
  const auto tokenizer =
      LoadFrom({{"vocab.json", SmallVocabulary().dump()}, {"merges.txt", "#version: 0.2\r\nh e\r\n"}});
  EXPECT_THAT(Encode(*tokenizer, "he"), ElementsAre(256));
}

TEST(Tokenizer, ALongRunTakesNoQuadraticTime) {
  // `a a`, `aa aa`, ...: every merge applies somewhere, in one piece of a million letters.
  std::vector<std::string> merged;
  std::string merges;
  for (size_t length = 1; length <= 64; length *= 2) {
    merged.push_back(std::string(2 * length, 'a'));
    merges += std::string(length, 'a') + " " + std::string(length, 'a') + "\n";
  }
  const auto tokenizer = LoadFrom({{"vocab.json", SmallVocabulary(merged).dump()}, {"merges.txt", merges}});
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Encode(*tokenizer, std::string(1 << 20, 'a')), Ids((1 << 20) / 128, 262));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

}  // namespace
}  // namespace ablate
