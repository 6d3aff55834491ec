// Drives an engine from the outside, for the Python oracle tests and the benchmark. One JSON object a line: the first
// holds the engine's options, and is answered with what the engine tells of itself; each further one holds scans that
// are run as one batch, and is answered with every row.
//
//   in:  {"model_dir", "device", "precision", "threads", "max_packed_tokens"}
//   out: {"device", "batch_invariant", "max_packed_tokens", "threads", "peak_rss_bytes"}
//   in:  {"scans": [{"token_ids", "read_positions", "target_id", "contrast_id", "top_k",
//                    "variants": [[{"layer", "head", "begin", "end", "scale"}, ...], ...]}, ...]}
//   out: {"wall_ns", "plan_ns", "forward_ns", "forward_passes", "peak_rss_bytes",
//         "rows": [{"scan", "variant", "position", columns...}, ...]}

#include <chrono>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace {

using ablate::Engine;
using ablate::EngineOptions;
using ablate::ReadoutBlock;
using ablate::Scan;
using ablate::Variant;
using nlohmann::json;

EngineOptions OptionsFrom(const json& in) {
  EngineOptions options;
  options.model_dir = in.at("model_dir");
  options.device = in.value("device", options.device);
  options.precision = ablate::ParsePrecision(in.value("precision", "float32")).value();
  options.threads = in.value("threads", options.threads);
  options.max_packed_tokens = in.value("max_packed_tokens", options.max_packed_tokens);
  return options;
}

Scan ScanFrom(const json& in) {
  Scan scan;
  scan.token_ids = in.at("token_ids").get<std::vector<int32_t>>();
  scan.read_positions = in.at("read_positions").get<std::vector<int32_t>>();
  scan.target_id = in.value("target_id", -1);
  scan.contrast_id = in.value("contrast_id", -1);
  scan.top_k = in.value("top_k", 0);
  for (const json& edits : in.at("variants")) {
    Variant variant;
    for (const json& edit : edits) {
      variant.edits.push_back({.site = {edit.at("layer"), edit.at("head")},
                               .positions = {edit.value("begin", 0), edit.value("end", INT32_MAX)},
                               .scale = edit.value("scale", 0.0F)});
    }
    scan.variants.push_back(std::move(variant));
  }
  return scan;
}

void AppendRows(const ReadoutBlock& block, json& rows) {
  for (size_t i = 0; i < block.variant.size(); ++i) {
    json row = {{"scan", block.scan}, {"variant", block.variant[i]}, {"position", block.position[i]}};
    const auto put = [&](const char* name, const auto& column) {
      if (!column.empty()) row[name] = column[i];
    };
    put("target_logit", block.target_logit);
    put("contrast_logit", block.contrast_logit);
    put("logit_diff", block.logit_diff);
    put("target_logprob", block.target_logprob);
    put("contrast_logprob", block.contrast_logprob);
    put("target_prob", block.target_prob);
    put("prob_diff", block.prob_diff);
    put("delta_target_logit", block.delta_target_logit);
    put("delta_contrast_logit", block.delta_contrast_logit);
    put("delta_logit_diff", block.delta_logit_diff);
    put("delta_target_logprob", block.delta_target_logprob);
    put("delta_contrast_logprob", block.delta_contrast_logprob);
    put("delta_target_prob", block.delta_target_prob);
    put("delta_prob_diff", block.delta_prob_diff);
    put("target_rank", block.target_rank);
    put("target_is_top1", block.target_is_top1);
    put("top1_id", block.top1_id);
    put("top1_preserved", block.top1_preserved);
    put("kl_divergence", block.kl_divergence);
    put("entropy", block.entropy);
    const size_t k = block.top_k_id.size() / block.variant.size();
    for (size_t j = i * k; j < (i + 1) * k; ++j) {
      row["top_k"].push_back({block.top_k_id[j], block.top_k_logprob[j]});
    }
    rows.push_back(std::move(row));
  }
}

// Of this program: getrusage's figure outlives exec and would be that of the Python that started it.
int64_t PeakRssBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib * 1024;
  }
  return 0;
}

json Answer(Engine& engine, const json& in) {
  std::vector<Scan> scans;
  for (const json& scan : in.at("scans")) scans.push_back(ScanFrom(scan));
  std::vector<ReadoutBlock> blocks;
  const auto start = std::chrono::steady_clock::now();
  const auto stats = engine.Run(scans, [&](ReadoutBlock block) {
    blocks.push_back(std::move(block));
    return absl::OkStatus();
  });
  const auto wall = std::chrono::steady_clock::now() - start;
  if (!stats.ok()) return {{"error", stats.status().ToString()}};
  json rows = json::array();
  for (const ReadoutBlock& block : blocks) AppendRows(block, rows);
  return {{"wall_ns", std::chrono::nanoseconds(wall).count()},
          {"plan_ns", stats->plan_ns},
          {"forward_ns", stats->forward_ns},
          {"forward_passes", stats->forward_passes},
          {"peak_rss_bytes", PeakRssBytes()},
          {"rows", std::move(rows)}};
}

}  // namespace

int main() {
  std::string line;
  if (!std::getline(std::cin, line)) return 2;
  auto engine = Engine::Load(OptionsFrom(json::parse(line)));
  if (!engine.ok()) {
    std::cout << json{{"error", engine.status().ToString()}} << std::endl;
    return 1;
  }
  const ablate::EngineInfo& info = (*engine)->Describe();
  std::cout << json{{"device", info.device},
                    {"batch_invariant", info.batch_invariant},
                    {"max_packed_tokens", info.max_packed_tokens},
                    {"threads", info.threads},
                    {"peak_rss_bytes", PeakRssBytes()}}
            << std::endl;
  while (std::getline(std::cin, line)) std::cout << Answer(**engine, json::parse(line)) << std::endl;
  return 0;
}
