// JSONL and CSV, byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "client/cpp/cli/csv.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/row_order.h"
#include "tests/client/fixtures.h"

namespace ablate::cli {
namespace {

// What `Writer` makes of a scan whose rows arrive as `blocks`.
template <typename Writer>
std::string Written(const client::ScanManifest& manifest, const std::vector<ablation::v1::RowBlock>& blocks,
                    int top_k) {
  const std::string path = ::testing::TempDir() + "/written";
  {
    auto output = Output::ToFile(path);
    EXPECT_TRUE(output.ok()) << output.status();
    Writer writer(output->get(), top_k);
    EXPECT_TRUE(writer.Begin(std::make_shared<const client::ScanManifest>(manifest)).ok());
    RowOrder order(manifest.n_prompts(), manifest.n_variants(),
                   [&](int prompt, absl::Span<const Row> rows) { return writer.Prompt(prompt, rows); });
    for (const auto& block : blocks) EXPECT_TRUE(order.Take(std::make_shared<const Block>(block)).ok());
    EXPECT_TRUE(writer.End({}).ok());
    EXPECT_TRUE((*output)->Commit().ok());
  }
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::vector<testing::RowId> Scrambled() {
  return {{0, 2}, {0, 0}, {0, 3}, {0, -1}, {0, 1}};
}

TEST(JsonlTest, WritesTheManifestThenTheRowsInOrder) {
  const auto lines =
      Lines(Written<JsonlWriter>(testing::MakeManifest(), {testing::MakeBlock(Scrambled(), /*top_k=*/2)}, 2));
  ASSERT_EQ(lines.size(), 6U);
  const auto manifest = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(manifest["manifest"]["runtime"]["engine_version"], "0.1.0");
  EXPECT_EQ(manifest["manifest"]["variants"][0]["sites"][0]["layer"], 0);
  EXPECT_EQ(manifest["manifest"]["runtime"]["precision"], "PRECISION_FLOAT32");
  EXPECT_EQ(manifest["manifest"]["total_rows"], "5");
  EXPECT_EQ(manifest["manifest"]["replacements"], nlohmann::json::parse(R"([{"zero": {}}])"));
  EXPECT_EQ(manifest["manifest"]["prompts"], nlohmann::json::parse(R"([{"token_ids": [7, 8],
      "token_texts": ["Berlin", " is"], "target": {"id": 1, "text": " Germany", "raw": ""},
      "contrast": {"id": 2, "text": " France", "raw": ""}, "warnings": []}])"));
  EXPECT_EQ(lines[1],
            R"({"prompt_index": 0, "variant": "baseline", "layer": null, "head": null, "position": 1, )"
            R"("target_logit": 10, "contrast_logit": 8.5, "target_logprob": -0.1, "contrast_logprob": -1.6, )"
            R"("target_prob": 0.9, "prob_diff": 0.7, "logit_diff": 1.5, "delta_target_logit": 0, )"
            R"("delta_contrast_logit": 0, "delta_target_logprob": 0, "delta_contrast_logprob": -0, )"
            R"("delta_target_prob": 0, "delta_prob_diff": 0, "delta_logit_diff": 0, "target_rank": 0, )"
            R"("target_is_top1": true, "top1_id": 1, "top1_token": " Germany", "top1_preserved": true, )"
            R"("kl_divergence": 0, "entropy": 0.5, "top_k": [{"id": 1, "token": " Germany", "logprob": -0.5}, )"
            R"({"id": 2, "token": " \"France\", so", "logprob": -1.5}]})");
  for (int v = 0; v < 4; ++v) {
    const auto row = nlohmann::json::parse(lines[2 + v]);
    EXPECT_EQ(row["layer"], v / 2);
    EXPECT_EQ(row["head"], v % 2);
    EXPECT_EQ(row["variant"], "L" + std::to_string(v / 2) + "H" + std::to_string(v % 2));
    EXPECT_EQ(row["delta_target_logprob"].get<float>(), testing::DeltaTargetLogprob(0, v));
  }
}

TEST(JsonlTest, AbsentColumnsAreNull) {
  auto manifest = testing::MakeManifest();
  testing::DropTarget(&manifest.prompts[0]);
  const auto lines =
      Lines(Written<JsonlWriter>(manifest, {testing::MakeBlock(Scrambled(), 0, /*has_target=*/false)}, 0));
  const auto row = nlohmann::json::parse(lines.at(2));
  EXPECT_TRUE(row.contains("target_logprob") && row["target_logprob"].is_null());
  EXPECT_TRUE(row["target_is_top1"].is_null());
  EXPECT_TRUE(row["top_k"].is_null());
  EXPECT_TRUE(row["entropy"].is_number());
}

// A reader must still get a whole document when a token is not UTF-8.
TEST(JsonlTest, StringsAreAlwaysValidJson) {
  EXPECT_EQ(JsonString("a\"\\\n\x01"), R"("a\"\\\n\u0001")");
  EXPECT_EQ(nlohmann::json::parse(JsonString("\xff")).get<std::string>(), "\xEF\xBF\xBD");
}

TEST(CsvTest, WritesAHeaderThenTheRowsInOrder) {
  const auto lines = Lines(Written<CsvWriter>(testing::MakeManifest(), {testing::MakeBlock(Scrambled())}, 0));
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_EQ(lines[0],
            "prompt_index,variant,layer,head,position,target_logit,contrast_logit,target_logprob,contrast_logprob,"
            "target_prob,prob_diff,logit_diff,delta_target_logit,delta_contrast_logit,delta_target_logprob,"
            "delta_contrast_logprob,delta_target_prob,delta_prob_diff,delta_logit_diff,target_rank,target_is_top1,"
            "top1_id,top1_token,top1_preserved,kl_divergence,entropy");
  EXPECT_EQ(lines[1], "0,baseline,,,1,10,8.5,-0.1,-1.6,0.9,0.7,1.5,0,0,0,-0,0,0,0,0,true,1,\" Germany\",true,0,0.5");
  EXPECT_EQ(
      lines[4],
      "0,L1H0,1,0,1,8.5,8.5,-1.6,-1.6,0.9,0.7,0,-1.5,0,-1.5,0.75,0,0,-1.5,1,false,2,\" \"\"France\"\", so\",false,"
      "2.25,0.5");
}

TEST(CsvTest, TopKColumnsOnlyWhenAskedFor) {
  const auto lines = Lines(Written<CsvWriter>(testing::MakeManifest(), {testing::MakeBlock(Scrambled(), 2)}, 2));
  EXPECT_THAT(lines[0], ::testing::EndsWith(
                            ",top_k_1_id,top_k_1_token,top_k_1_logprob,top_k_2_id,top_k_2_token,top_k_2_logprob"));
  EXPECT_THAT(lines[1], ::testing::EndsWith(",1,\" Germany\",-0.5,2,\" \"\"France\"\", so\",-1.5"));
}

TEST(CsvTest, QuotesAsRfc4180) {
  EXPECT_EQ(CsvField("plain"), "plain");
  EXPECT_EQ(CsvField("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvField("say \"hi\""), "\"say \"\"hi\"\"\"");
  EXPECT_EQ(CsvField("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(CsvField("cr\r"), "\"cr\r\"");
  EXPECT_EQ(CsvField(" Germany"), "\" Germany\"");
  EXPECT_EQ(CsvField(""), "\"\"");
}

}  // namespace
}  // namespace ablate::cli
