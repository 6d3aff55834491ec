// Every way to damage the files gets a message that names the file and what is wrong in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/tokenizer.h"
#include "tests/engine/model/tokenizer/tokenizer_folder.h"

namespace ablate {
namespace {

using nlohmann::json;
using testing::Folder;
using testing::SmallMerges;
using testing::SmallTokenizerJson;
using testing::SmallVocabulary;

using Files = std::vector<std::pair<std::string, std::string>>;

struct Damage {
  std::string name;
  Files files;
  std::string message;  // after the folder's path
};

std::string Vocabulary(const std::function<void(json&)>& change) {
  json vocabulary = SmallVocabulary();
  change(vocabulary);
  return vocabulary.dump();
}

Damage BadVocabulary(const std::string& name, const std::string& text, const std::string& message) {
  return {name, {{"vocab.json", text}, {"merges.txt", SmallMerges()}}, "/vocab.json: " + message};
}

Damage BadMerges(const std::string& name, const std::string& text, const std::string& message) {
  return {name, {{"vocab.json", SmallVocabulary().dump()}, {"merges.txt", text}}, "/merges.txt" + message};
}

Damage BadExtra(const std::string& name, const std::string& file, const std::string& text, const std::string& message) {
  return {name,
          {{"vocab.json", SmallVocabulary().dump()}, {"merges.txt", SmallMerges()}, {file, text}},
          "/" + file + ": " + message};
}

Damage BadTokenizerJson(const std::string& name, const std::function<void(json&)>& change, const std::string& message) {
  json root = SmallTokenizerJson();
  change(root);
  return {name, {{"tokenizer.json", root.dump()}}, "/tokenizer.json: " + message};
}

std::vector<Damage> AllDamage() {
  const auto added = [](const char* token) {
    return [token](json& root) { root["added_tokens"].push_back(json::parse(token)); };
  };
  return {
      {"Nothing", {}, ": no tokenizer; expected vocab.json and merges.txt, or tokenizer.json"},
      {"NoMerges", {{"vocab.json", "{}"}}, "/merges.txt: no such file, though vocab.json is there"},
      {"NoVocabulary", {{"merges.txt", ""}}, "/vocab.json: no such file, though merges.txt is there"},

      BadVocabulary("EmptyFile", "", "not valid JSON, the text ends at byte 1"),
      BadVocabulary("Truncated", SmallVocabulary().dump().substr(0, 500), "not valid JSON at byte 501, near"),
      BadVocabulary("TrailingText", SmallVocabulary().dump() + "x", "not valid JSON at byte 2175, near"),
      BadVocabulary("NulByte", SmallVocabulary().dump() + std::string("\0x", 2),
                    "not valid JSON, a NUL byte at byte 2174"),
      BadVocabulary("NotUtf8", "{\"\xff\": 0}", "not valid JSON at byte 3, near `\\\"\\ufffd`"),
      BadVocabulary("Array", "[1, 2]", "a JSON array came, expected a JSON object"),
      BadVocabulary("EmptyObject", "{}", "the vocabulary is empty"),
      BadVocabulary("DeepNesting", std::string(100000, '[') + std::string(100000, ']'),
                    "JSON nested deeper than 32 levels"),
      BadVocabulary("RepeatedKey", R"({"a": 0, "b": 1, "a": 2})", "key `a` appears twice in one object, expected once"),
      BadVocabulary("FractionalId", Vocabulary([](json& v) { v["he"] = 256.5; }),
                    "token \"he\" has the id 256.5; expected an integer"),
      BadVocabulary("TextId", Vocabulary([](json& v) { v["he"] = "256"; }),
                    "token \"he\" has the id \"256\"; expected an integer"),
      BadVocabulary("NegativeId", Vocabulary([](json& v) { v["he"] = -1; }),
                    "token \"he\" has the id -1; ids must be 0 .. 261"),
      BadVocabulary("HugeId", Vocabulary([](json& v) { v["he"] = uint64_t{1} << 60; }),
                    "token \"he\" has the id 1152921504606846976; ids must be 0 .. 261"),
      BadVocabulary("SameIdTwice", Vocabulary([](json& v) { v["he"] = 257; }),
                    "tokens \"he\" and \"ll\" have the same id, 257"),
      BadVocabulary("HoleInIds", Vocabulary([](json& v) { v["he"] = 300; }),
                    "no token has the id 256; expected 262 tokens to have the ids 0 .. 261"),
      BadVocabulary("EmptyToken", Vocabulary([](json& v) { v[""] = 262; }), "an empty token, with id 262"),
      BadVocabulary("MissingByte", Vocabulary([](json& v) { v.erase("Ġ"), v["x y"] = 220, v["<|endoftext|>"] = 261; }),
                    "token \"x y\" (id 220) has characters outside of GPT-2's byte alphabet and is not an added token"),
      BadVocabulary("MissingSpace", Vocabulary([](json& v) { v.erase("Ġ"), v["xy"] = 220; }),
                    "byte 0x20 has no token; expected \"Ġ\""),
      BadVocabulary("OutsideOfTheAlphabet", Vocabulary([](json& v) { v["日"] = 262; }),
                    "token \"日\" (id 262) has characters outside of GPT-2's byte alphabet and is not an added token"),

      BadMerges("OneToken", "#version: 0.2\nh e\nll\n", ":3: expected two tokens with one space between, got \"ll\""),
      BadMerges("ThreeTokens", "h e l\n", ":1: expected two tokens with one space between, got \"h e l\""),
      BadMerges("EmptyLine", "h e\n\nl l\n", ":2: expected two tokens with one space between, got \"\""),
      BadMerges("LeadingSpace", " e\n", ":1: expected two tokens with one space between, got \" e\""),
      BadMerges("TrailingSpace", "e \n", ":1: expected two tokens with one space between, got \"e \""),
      BadMerges("Repeated", "#version: 0.2\nh e\nl l\nh e\n", ":4: merge \"h\" + \"e\" stands twice"),
      BadMerges("ResultUnknown", "h e\ne h\n", ":2: merge \"e\" + \"h\": \"eh\" is not in the vocabulary"),
      BadMerges("PartUnknown", "zz h\n", ":1: merge \"zz\" + \"h\": \"zz\" is not in the vocabulary"),
      BadMerges("NotUtf8", "\xff h\n", ":1: merge \"\uFFFD\" + \"h\": \"\uFFFD\" is not in the vocabulary"),

      BadExtra("AddedWithTakenId", "added_tokens.json", R"({"<x>": 256})",
               "added token \"<x>\" has the id 256, which is that of \"he\""),
      BadExtra("AddedWithAnotherId", "added_tokens.json", R"({"he": 262})",
               "added token \"he\" has the id 262, but the vocabulary gives it 256"),
      BadExtra("AddedId", "added_tokens.json", R"({"<x>": "1"})", "\"<x>\": expected an id from 0 on, got \"1\""),
      BadExtra("PrefixSpace", "tokenizer_config.json", R"({"add_prefix_space": true})",
               "add_prefix_space is true; only false is supported"),
      BadExtra("AddedDecoderKey", "tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "<x>"}}})",
               "added_tokens_decoder.x: expected an id from 0 on, got \"x\""),
      BadExtra("AddedDecoder", "tokenizer_config.json", R"({"added_tokens_decoder": 3})",
               "added_tokens_decoder: expected an object, got number"),

      {"TokenizerJsonDamaged", {{"tokenizer.json", "{"}}, "/tokenizer.json: not valid JSON at byte 2, near `{`"},
      BadTokenizerJson(
          "NoModel", [](json& r) { r.erase("model"); }, "model: expected an object, got null"),
      BadTokenizerJson(
          "OtherModel", [](json& r) { r["model"]["type"] = "Unigram"; },
          "model.type is \"Unigram\"; only \"BPE\" is supported"),
      BadTokenizerJson(
          "Dropout", [](json& r) { r["model"]["dropout"] = 0.5; }, "model.dropout is 0.5; only null is supported"),
      BadTokenizerJson(
          "IgnoreMerges", [](json& r) { r["model"]["ignore_merges"] = true; },
          "model.ignore_merges is true; only false is supported"),
      BadTokenizerJson(
          "Suffix", [](json& r) { r["model"]["end_of_word_suffix"] = "</w>"; },
          "model.end_of_word_suffix is \"</w>\"; only \"\" is supported"),
      BadTokenizerJson(
          "VocabularyArray", [](json& r) { r["model"]["vocab"] = json::array(); },
          "model.vocab: expected an object of token: id, got array"),
      BadTokenizerJson(
          "MergesObject", [](json& r) { r["model"]["merges"] = json::object(); },
          "model.merges: expected an array, got object"),
      BadTokenizerJson(
          "MergeOfThree", [](json& r) { r["model"]["merges"][2] = {"a", "b", "c"}; },
          "model.merges[2]: expected \"left right\" or [\"left\", \"right\"], got [\"a\",\"b\",\"c\"]"),
      BadTokenizerJson(
          "MergeUnknown", [](json& r) { r["model"]["merges"][1] = "q q"; },
          "model.merges[1]: merge \"q\" + \"q\": \"qq\" is not in the vocabulary"),
      BadTokenizerJson(
          "Normalizer", [](json& r) { r["normalizer"] = {{"type", "NFC"}}; },
          "normalizer is {\"type\":\"NFC\"}; only null is supported"),
      BadTokenizerJson(
          "OtherPreTokenizer", [](json& r) { r["pre_tokenizer"] = {{"type", "Whitespace"}}; },
          "pre_tokenizer is {\"type\":\"Whitespace\"}; only \"ByteLevel\" is supported"),
      BadTokenizerJson(
          "JsonPrefixSpace", [](json& r) { r["pre_tokenizer"]["add_prefix_space"] = true; },
          "pre_tokenizer.add_prefix_space is true; only false is supported"),
      BadTokenizerJson(
          "NoRegex", [](json& r) { r["pre_tokenizer"]["use_regex"] = false; },
          "pre_tokenizer.use_regex is false; only true is supported"),
      BadTokenizerJson(
          "OtherDecoder", [](json& r) { r["decoder"] = {{"type", "WordPiece"}}; },
          "decoder is {\"type\":\"WordPiece\"}; only \"ByteLevel\" is supported"),
      BadTokenizerJson(
          "AddsTokens", [](json& r) { r["post_processor"] = {{"type", "BertProcessing"}}; },
          "post_processor is {\"type\":\"BertProcessing\"}; only one that adds no tokens is supported"),
      BadTokenizerJson("AddedStrips", added(R"({"id": 262, "content": "<x>", "lstrip": true})"),
                       "added_tokens[1]: token \"<x>\" has lstrip true; only false is supported"),
      BadTokenizerJson("AddedWithoutText", added(R"({"id": 262})"),
                       "added_tokens[1]: expected a token with a text `content`, got {\"id\":262}"),
      BadTokenizerJson("AddedEmpty", added(R"({"id": 262, "content": ""})"),
                       "added_tokens[1]: an added token is empty"),
      BadTokenizerJson("AddedHole", added(R"({"id": 270, "content": "<x>"})"), "model.vocab: no token has the id 262"),
  };
}

class DamagedFiles : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedFiles, GetAMessage) {
  const Folder folder(GetParam().files);
  const auto loaded = Tokenizer::Load(folder.path());
  ASSERT_FALSE(loaded.ok());
  const std::string message(loaded.status().message());
  ASSERT_TRUE(message.starts_with(folder.path())) << message;
  const std::string rest = message.substr(folder.path().size());
  std::cout << "  MODEL" << rest << "\n";
  EXPECT_TRUE(rest.starts_with(GetParam().message)) << rest << "\nexpected\n" << GetParam().message;
}

INSTANTIATE_TEST_SUITE_P(Table, DamagedFiles, ::testing::ValuesIn(AllDamage()),
                         [](const auto& test) { return std::to_string(test.index) + test.param.name; });

}  // namespace
}  // namespace ablate
