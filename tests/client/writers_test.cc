// JSONL and CSV, byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/cpp/cli/cell_text.h"
#include "client/cpp/cli/csv.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/row_order.h"
#include "tests/client/fixtures.h"

namespace ablate::cli {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Scan {
  client::ScanManifest manifest = testing::MakeManifest();
  std::vector<testing::RowId> rows = {{0, 2}, {0, 0}, {0, 3}, {0, -1}, {0, 1}};
  int top_k = 0;
  bool has_target = true;
  bool has_summary = false;
  DataSet data;
};

// Feeds the scan to a writer.
void Write(const Scan& scan, ResultWriter* writer) {
  const auto& manifest = scan.manifest;
  EXPECT_TRUE(writer->Begin(std::make_shared<const client::ScanManifest>(manifest)).ok());
  const auto& readout = manifest.head.readout();
  RowOrder order(manifest, {.likelihood = readout.likelihood(), .compensation = readout.compensation()},
                 [&](const PromptResult& result) { return writer->Prompt(result); });
  EXPECT_TRUE(
      order.Take(std::make_shared<const Block>(testing::MakeBlock(manifest, scan.rows, scan.top_k, scan.has_target)))
          .ok());
  for (int p = 0; p < manifest.n_prompts(); ++p) {
    if (readout.likelihood()) {
      EXPECT_TRUE(
          order.Take(std::make_shared<const ablation::v1::LikelihoodBlock>(testing::MakeLikelihood(manifest, p))).ok());
    }
    if (readout.compensation()) {
      EXPECT_TRUE(
          order.Take(std::make_shared<const ablation::v1::CompensationBlock>(testing::MakeCompensation(manifest, p)))
              .ok());
    }
  }
  if (scan.has_summary) {
    EXPECT_TRUE(writer->Statistics({testing::MakeSummaryHead(manifest), {testing::MakeSummary(manifest)}}).ok());
  }
  EXPECT_TRUE(writer->End({}).ok());
}

std::string Jsonl(const Scan& scan) {
  const std::string path = ::testing::TempDir() + "/written.jsonl";
  auto output = Output::ToFile(path);
  EXPECT_TRUE(output.ok()) << output.status();
  JsonlWriter writer(output->get(), scan.top_k, &scan.data);
  Write(scan, &writer);
  EXPECT_TRUE((*output)->Commit().ok());
  return Read(path);
}

struct CsvFiles {
  std::string rows, likelihood, compensation, summary;
};

CsvFiles Csv(const Scan& scan) {
  const std::string path = ::testing::TempDir() + "/written.csv";
  std::vector<std::string> paths = {path};
  for (const char* what : {"likelihood", "compensation", "summary"}) paths.push_back(SiblingPath(path, what));
  std::vector<std::unique_ptr<Output>> outputs;
  for (const std::string& each : paths) outputs.push_back(*Output::ToFile(each));
  CsvWriter writer({outputs[0].get(), outputs[1].get(), outputs[2].get(), outputs[3].get()}, scan.top_k, &scan.data);
  Write(scan, &writer);
  for (const auto& output : outputs) EXPECT_TRUE(output->Commit().ok());
  return {Read(paths[0]), Read(paths[1]), Read(paths[2]), Read(paths[3])};
}

// Everything that may stand beside the rows, of two prompts with a column that is not ours.
Scan Everything() {
  Scan scan;
  scan.manifest = testing::MakeManifest(2);
  testing::AddReplacements(&scan.manifest);
  scan.manifest.head.mutable_readout()->set_likelihood(true);
  scan.manifest.head.mutable_readout()->set_compensation(true);
  scan.manifest.variants[1].set_name("movers, all");
  scan.rows = testing::AllRows(scan.manifest);
  scan.has_summary = true;
  for (int p = 0; p < 2; ++p) {
    scan.data.prompts.emplace_back();
    if (p == 1) scan.data.SetField("source", "\"a, b\"");
    if (p == 1) scan.data.SetField("depth", "3");
  }
  return scan;
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

TEST(JsonlTest, WritesTheManifestThenTheRowsInOrder) {
  Scan scan;
  scan.top_k = 2;
  const auto lines = Lines(Jsonl(scan));
  ASSERT_EQ(lines.size(), 6U);
  const auto manifest = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(manifest["manifest"]["runtime"]["engine_version"], "0.1.0");
  EXPECT_EQ(manifest["manifest"]["variants"][0]["sites"][0]["layer"], 0);
  EXPECT_EQ(manifest["manifest"]["runtime"]["precision"], "PRECISION_FLOAT32");
  EXPECT_EQ(manifest["manifest"]["total_rows"], "5");
  EXPECT_EQ(manifest["manifest"]["replacements"], nlohmann::json::parse(R"([{"zero": {}}])"));
  EXPECT_EQ(manifest["manifest"]["prompts"], nlohmann::json::parse(R"([{"token_ids": [7, 8],
      "token_texts": ["Berlin", " is"], "targets": [{"id": 1, "text": " Germany", "raw": ""}],
      "contrasts": [{"id": 2, "text": " France", "raw": ""}], "read_positions": [1], "warnings": []}])"));
  EXPECT_EQ(
      lines[1],
      R"({"prompt_index": 0, "replacement": null, "variant": "baseline", "variant_name": null, "layer": null, )"
      R"("head": null, "edit_position": null, "position": 1, )"
      R"("target_logit": 10, "contrast_logit": 8.5, "target_logprob": -0.1, "contrast_logprob": -1.6, )"
      R"("target_prob": 0.9, "prob_diff": 0.7, "logit_diff": 1.5, "delta_target_logit": 0, )"
      R"("delta_contrast_logit": 0, "delta_target_logprob": 0, "delta_contrast_logprob": -0, )"
      R"("delta_target_prob": 0, "delta_prob_diff": 0, "delta_logit_diff": 0, "target_rank": 0, )"
      R"("target_is_top1": true, "top1_id": 1, "top1_token": " Germany", "top1_preserved": true, )"
      R"("kl_divergence": 0, "kl_to_clean": null, "entropy": 0.5, "normalized": null, "interaction": null, )"
      R"("direct_contribution": null, "direct_effect": null, "direct_effect_live": null, "total_effect": null, )"
      R"("indirect_effect": null, "self_repair": null, "top_k": [{"id": 1, "token": " Germany", "logprob": -0.5}, )"
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
  Scan scan;
  testing::DropTarget(&scan.manifest.prompts[0]);
  scan.has_target = false;
  const auto lines = Lines(Jsonl(scan));
  const auto row = nlohmann::json::parse(lines.at(2));
  EXPECT_TRUE(row.contains("target_logprob") && row["target_logprob"].is_null());
  EXPECT_TRUE(row["target_is_top1"].is_null());
  EXPECT_TRUE(row["top_k"].is_null());
  EXPECT_TRUE(row["entropy"].is_number());
  EXPECT_FALSE(row.contains("fields"));
}

TEST(JsonlTest, WritesWhatStandsBesideTheRows) {
  const Scan scan = Everything();
  const auto lines = Lines(Jsonl(scan));
  // A manifest; for both prompts 2 + 3 x 4 rows, as many likelihoods, 3 x 4 compensations; a head and 3 x 4 entries.
  ASSERT_EQ(lines.size(), 1U + 2 * (14 + 14 + 12) + 1 + 12);
  std::vector<nlohmann::json> objects;
  for (const std::string& line : lines) objects.push_back(nlohmann::json::parse(line));
  EXPECT_EQ(objects[0]["manifest"]["prompts"][0]["corrupted_token_ids"], nlohmann::json({7, 8}));
  EXPECT_EQ(objects[1]["fields"], nlohmann::json::object());
  EXPECT_EQ(objects[2]["variant"], "corrupted");
  EXPECT_EQ(objects[3]["replacement"], "zero");
  EXPECT_EQ(objects[4]["variant_name"], "movers, all");
  EXPECT_EQ(objects[7]["replacement"], "scale");
  EXPECT_EQ(lines[15],
            R"({"likelihood": {"prompt_index": 0, "replacement": null, "variant": "baseline", "variant_name": null, )"
            R"("edit_position": null, "mean_nll": 3, "perplexity": 20.085536923187668, "delta_mean_nll": 0, )"
            R"("token_logprob": [-3]}})");
  EXPECT_EQ(lines[29],
            R"({"compensation": {"prompt_index": 0, "replacement": "zero", "variant": "L0H0", "variant_name": null, )"
            R"("edit_position": null, "position": 1, "heads": [[1, 2], [3, 4]], "mlps": [0.5, -0.5], )"
            R"("layer_norm": 0.25}})");
  EXPECT_EQ(objects[41]["prompt_index"], 1);
  EXPECT_EQ(objects[41]["fields"], nlohmann::json::parse(R"({"source": "a, b", "depth": 3})"));
  EXPECT_EQ(
      lines[81],
      R"({"summary_head": {"n_clusters": 24, "n_prompts": 24, "assumes_iid": true, "bootstrap_resamples": 2000, )"
      R"("sign_flips": 10000, "seed": 7, "rank_agreement": [{"first": "zero", "second": "scale", "spearman": 0.5}]}})");
  const auto summary = objects[82]["summary"];
  EXPECT_EQ(summary["variant"], "L0H0");
  EXPECT_EQ(summary["sem"], 0.125);
  EXPECT_TRUE(summary["p_fwer"].is_null());
  EXPECT_EQ(objects[83]["summary"]["p_fwer"], 0.03125);
  EXPECT_EQ(objects[83]["summary"]["below_floor"], true);
}

// A reader must still get a whole document when a token is not UTF-8.
TEST(JsonlTest, StringsAreAlwaysValidJson) {
  EXPECT_EQ(JsonString("a\"\\\n\x01"), R"("a\"\\\n\u0001")");
  EXPECT_EQ(nlohmann::json::parse(JsonString("\xff")).get<std::string>(), "\xEF\xBF\xBD");
}

TEST(CsvTest, WritesAHeaderThenTheRowsInOrder) {
  const auto lines = Lines(Csv({}).rows);
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_EQ(
      lines[0],
      "prompt_index,replacement,variant,variant_name,layer,head,edit_position,position,target_logit,contrast_logit,"
      "target_logprob,contrast_logprob,target_prob,prob_diff,logit_diff,delta_target_logit,delta_contrast_logit,"
      "delta_target_logprob,delta_contrast_logprob,delta_target_prob,delta_prob_diff,delta_logit_diff,target_rank,"
      "target_is_top1,top1_id,top1_token,top1_preserved,kl_divergence,kl_to_clean,entropy,normalized,interaction,"
      "direct_contribution,direct_effect,direct_effect_live,total_effect,indirect_effect,self_repair");
  EXPECT_EQ(lines[1],
            "0,,baseline,,,,,1,10,8.5,-0.1,-1.6,0.9,0.7,1.5,0,0,0,-0,0,0,0,0,true,1,\" Germany\",true,0,,0.5,,,,,,,,");
  EXPECT_EQ(lines[4],
            "0,zero,L1H0,,1,0,,1,8.5,8.5,-1.6,-1.6,0.9,0.7,0,-1.5,0,-1.5,0.75,0,0,-1.5,1,false,2,"
            "\" \"\"France\"\", so\",false,2.25,,0.5,,,,,,,,");
}

TEST(CsvTest, WritesWhatStandsBesideTheRowsIntoFilesOfItsOwn) {
  const CsvFiles files = Csv(Everything());
  const auto rows = Lines(files.rows), likelihood = Lines(files.likelihood), compensation = Lines(files.compensation),
             summary = Lines(files.summary);
  ASSERT_EQ(rows.size(), 1U + 2 * 14);
  EXPECT_THAT(rows[0], ::testing::EndsWith(",self_repair,fields.source,fields.depth"));
  EXPECT_THAT(rows[1], ::testing::EndsWith(",,"));
  EXPECT_THAT(rows[15], ::testing::EndsWith(",\"a, b\",3"));
  ASSERT_EQ(likelihood.size(), 1U + 2 * 14);
  EXPECT_EQ(
      likelihood[0],
      "prompt_index,replacement,variant,variant_name,edit_position,mean_nll,perplexity,delta_mean_nll,token_logprob");
  EXPECT_EQ(likelihood[1], "0,,baseline,,,3,20.085536923187668,0,[-3]");
  // 4 heads, 2 MLPs and a LayerNorm for each row.
  ASSERT_EQ(compensation.size(), 1U + 2 * 12 * 7);
  EXPECT_EQ(compensation[4], "0,zero,L0H0,,,1,L1H1,4");
  EXPECT_EQ(compensation[6], "0,zero,L0H0,,,1,L1MLP,-0.5");
  EXPECT_EQ(compensation[7], "0,zero,L0H0,,,1,layer_norm,0.25");
  EXPECT_EQ(compensation[8], "0,zero,L0H1,\"movers, all\",,1,L0H0,2");
  ASSERT_EQ(summary.size(), 1U + 12);
  EXPECT_EQ(
      summary[0],
      "replacement,variant,variant_name,edit_position,read_index,mean,std,sem,ci_low,ci_high,sign_share,top1_share,"
      "p_fwer,q_bh,q_by,below_floor,selected_in_sample,normalized,faithfulness");
  EXPECT_EQ(summary[2], "zero,L0H1,\"movers, all\",,0,0.25,0.5,0.125,0,0.5,0.75,0.5,0.03125,0.0625,0.125,true,true,,");
}

TEST(CsvTest, SiblingsKeepTheExtension) {
  EXPECT_EQ(SiblingPath("out/scan.csv", "summary"), "out/scan.summary.csv");
  EXPECT_EQ(SiblingPath("scan", "summary"), "scan.summary");
}

TEST(CsvTest, TopKColumnsOnlyWhenAskedFor) {
  Scan scan;
  scan.top_k = 2;
  const auto lines = Lines(Csv(scan).rows);
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
