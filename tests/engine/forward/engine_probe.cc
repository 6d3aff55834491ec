// Drives an engine from the outside, for the Python oracle tests and the benchmark. One JSON object a line: the first
// holds the engine's options, and is answered with what the engine tells of itself; each further one holds scans that
// are run as one batch, and is answered with every row.
//
//   in:  {"model_dir", "device", "precision", "threads", "max_packed_tokens", "memory_budget_bytes",
//         "cuda_graphs", "batch_invariant", "gpu_cache_dir"}
//   out: {"device", "precisions", "batch_invariant", "max_packed_tokens", "memory_budget_bytes", "threads",
//         "peak_rss_bytes"}
//   in:  {"scans": [{"token_ids", "donor_token_ids", "read_positions", "answers": [{"targets", "contrasts"}, ...],
//                    "reduction" ("mean_logit", "logsumexp"), "top_k", "effects", "compensation",
//                    "table": [[...d_head numbers], ...],
//                    "variants": [[{"layer", "head", "begin", "end", "scale", "entry", "entry_stride",
//                                   "from_donor"}, ...], ...]}, ...]}
//   out: {"wall_ns", "cost", "rows_in", "plan_ns", "forward_ns", "readout_ns", "forward_passes", "replayed_passes",
//         "peak_bytes", "peak_rss_bytes" (of this run),
//         "rows": [{"scan", "variant", "position", columns...}, ...]}
//   in:  the same with "repeats": as many runs behind a first one
//   out: the last run's, with "walls_ns" [repeats] in the place of the rows
//   in:  the same with "trace": a file, which libtorch's profiler writes: Chrome's JSON, with a range kRunRange around
//        each of the repeats, and all that ran on a GPU. There it wants a process of its own: it comes before all else,
//        and is asked for once.
//   out: the same. Runs in front of them, kWarmUps, are not among them.
//   in:  {"explain": [scans as above]}
//   out: {"layers": [{"passes", "rows_in", "rows_out", "tokens_in", "tokens_out", "attention_pairs"}, ...],
//         "gemm_flops", "attention_flops", "readout_flops", "elements_moved"}
// Fields of the second question have the defaults of engine/types.h.

#include <ATen/record_function.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <chrono>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace {

using ablate::Edit;
using ablate::EditTable;
using ablate::Engine;
using ablate::EngineOptions;
using ablate::ReadoutBlock;
using ablate::Reduction;
using ablate::Scan;
using ablate::Variant;
using nlohmann::json;
using std::chrono::milliseconds;

// A run's name in a trace.
constexpr char kRunRange[] = "engine_probe run";
// What chooses, loads and records.
constexpr int kWarmUps = 3;
// Round each traced run. By less than half of it the device's clock may be off, as a trace has it
// (tools/bundle/device_check/idle.py).
constexpr milliseconds kPause(2);

EngineOptions OptionsFrom(const json& in) {
  EngineOptions options;
  options.model_dir = in.at("model_dir");
  options.device = in.value("device", options.device);
  options.precision = ablate::ParsePrecision(in.value("precision", "float32")).value();
  options.threads = in.value("threads", options.threads);
  options.cuda_graphs = in.value("cuda_graphs", options.cuda_graphs);
  options.batch_invariant = in.value("batch_invariant", options.batch_invariant);
  options.gpu_cache_dir = in.value("gpu_cache_dir", options.gpu_cache_dir);
  options.max_packed_tokens = in.value("max_packed_tokens", options.max_packed_tokens);
  options.memory_budget_bytes = in.value("memory_budget_bytes", options.memory_budget_bytes);
  return options;
}

using Ids = std::vector<int32_t>;

std::shared_ptr<const EditTable> TableFrom(const json& rows) {
  if (rows.empty()) return nullptr;
  auto table = std::make_shared<EditTable>();
  table->d_head = static_cast<int32_t>(rows.front().size());
  for (const json& row : rows) table->values.insert(table->values.end(), row.begin(), row.end());
  return table;
}

Edit EditFrom(const json& in) {
  return {.site = {in.at("layer"), in.at("head")},
          .positions = {in.value("begin", 0), in.value("end", INT32_MAX)},
          .scale = in.value("scale", 0.0F),
          .entry = in.value("entry", -1),
          .entry_stride = in.value("entry_stride", 0),
          .from_donor = in.value("from_donor", false)};
}

Scan ScanFrom(const json& in) {
  Scan scan;
  scan.token_ids = in.at("token_ids").get<Ids>();
  scan.donor_token_ids = in.value("donor_token_ids", Ids());
  scan.read_positions = in.at("read_positions").get<Ids>();
  scan.top_k = in.value("top_k", 0);
  scan.effects = in.value("effects", false);
  scan.compensation = in.value("compensation", false);
  if (in.value("reduction", "mean_logit") == "logsumexp") scan.reduction = Reduction::kLogSumExp;
  for (const json& answers : in.value("answers", json::array())) {
    scan.answers.push_back({answers.value("targets", Ids()), answers.value("contrasts", Ids())});
  }
  scan.table = TableFrom(in.value("table", json::array()));
  for (const json& edits : in.at("variants")) {
    Variant variant;
    for (const json& edit : edits) variant.edits.push_back(EditFrom(edit));
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
    put("kl_from_donor", block.kl_from_donor);
    put("direct_contribution", block.direct_contribution);
    put("direct_effect", block.direct_effect);
    put("direct_effect_live", block.direct_effect_live);
    put("compensation_layer_norm", block.compensation_layer_norm);
    // Several numbers a row.
    const auto put_all = [&](const char* name, const std::vector<double>& column) {
      if (column.empty()) return;
      const auto width = static_cast<std::ptrdiff_t>(column.size() / block.variant.size());
      const auto first = column.begin() + static_cast<std::ptrdiff_t>(i) * width;
      row[name] = std::vector<double>(first, first + width);
    };
    put_all("compensation_heads", block.compensation_heads);
    put_all("compensation_mlps", block.compensation_mlps);
    const size_t k = block.top_k_id.size() / block.variant.size();
    for (size_t j = i * k; j < (i + 1) * k; ++j) {
      row["top_k"].push_back({block.top_k_id[j], block.top_k_logprob[j]});
    }
    rows.push_back(std::move(row));
  }
}

// So that what is told next is of what comes now.
void ResetPeakRss() {
  std::ofstream("/proc/self/clear_refs") << "5";
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

std::vector<Scan> ScansFrom(const json& in) {
  std::vector<Scan> scans;
  for (const json& scan : in) scans.push_back(ScanFrom(scan));
  return scans;
}

json Explain(const Engine& engine, const json& in) {
  const auto work = engine.Work(ScansFrom(in));
  if (!work.ok()) return {{"error", work.status().ToString()}};
  json layers = json::array();
  for (const ablate::LayerWork& layer : *work) {
    layers.push_back({{"passes", layer.passes},
                      {"rows_in", layer.rows_in},
                      {"rows_out", layer.rows_out},
                      {"tokens_in", layer.tokens_in},
                      {"tokens_out", layer.tokens_out},
                      {"attention_pairs", layer.attention_pairs}});
  }
  const ablate::EngineInfo& info = engine.Describe();
  const ablate::WorkFigures figures = FiguresOf(*work, {info.d_model, info.d_mlp, info.vocab_size});
  return {{"layers", std::move(layers)},
          {"gemm_flops", figures.gemm_flops},
          {"attention_flops", figures.attention_flops},
          {"readout_flops", figures.readout_flops},
          {"elements_moved", figures.elements_moved()}};
}

// One run of the scans, and the answer without rows.
json RunOnce(Engine& engine, const std::vector<Scan>& scans, std::vector<ReadoutBlock>& blocks) {
  blocks.clear();
  ResetPeakRss();
  const auto start = std::chrono::steady_clock::now();
  const auto stats = [&] {
    RECORD_USER_SCOPE(kRunRange);
    return engine.Run(scans, [&](ReadoutBlock block) {
      blocks.push_back(std::move(block));
      return absl::OkStatus();
    });
  }();
  const auto wall = std::chrono::steady_clock::now() - start;
  if (!stats.ok()) return {{"error", stats.status().ToString()}};
  return {{"wall_ns", std::chrono::nanoseconds(wall).count()},
          {"cost", stats->cost},
          {"rows_in", stats->rows_in},
          {"plan_ns", stats->plan_ns},
          {"forward_ns", stats->forward_ns},
          {"readout_ns", stats->readout_ns},
          {"forward_passes", stats->forward_passes},
          {"replayed_passes", stats->replayed_passes},
          {"peak_bytes", stats->peak_bytes},
          {"peak_rss_bytes", PeakRssBytes()}};
}

// The last run's answer, with the times of all.
json Repeat(Engine& engine, const std::vector<Scan>& scans, int repeats, milliseconds pause) {
  std::vector<ReadoutBlock> blocks;
  json answer;
  json walls = json::array();
  for (int i = 0; i < repeats; ++i) {
    answer = RunOnce(engine, scans, blocks);
    if (answer.contains("error")) return answer;
    walls.push_back(answer["wall_ns"]);
    std::this_thread::sleep_for(pause);
  }
  answer["walls_ns"] = std::move(walls);
  return answer;
}

json Trace(Engine& engine, const std::vector<Scan>& scans, int repeats, const std::string& file) try {
  namespace profiler = torch::profiler::impl;
  std::set<profiler::ActivityType> activities = {profiler::ActivityType::CPU};
  if (engine.Describe().device != "cpu") activities.insert(profiler::ActivityType::CUDA);
  const profiler::ProfilerConfig config(profiler::ProfilerState::KINETO);
  // In front of the warm-ups: CUPTI is to be there when a pass is recorded, and the first events of its first session
  // may be lost. One session alone: of later ones kernels may have wrong times or be lost.
  torch::autograd::profiler::prepareProfiler(config, activities);
  if (json warm = Repeat(engine, scans, kWarmUps, {}); warm.contains("error")) return warm;
  torch::autograd::profiler::enableProfiler(config, activities, {at::RecordScope::USER_SCOPE});
  std::this_thread::sleep_for(kPause);
  json answer = Repeat(engine, scans, repeats, kPause);
  torch::autograd::profiler::disableProfiler()->save(file);
  return answer;
} catch (const std::exception& error) {
  return {{"error", error.what()}};
}

json Answer(Engine& engine, const json& in) {
  if (in.contains("explain")) return Explain(engine, in.at("explain"));
  const std::vector<Scan> scans = ScansFrom(in.at("scans"));
  const int repeats = in.value("repeats", 0);
  if (in.contains("trace")) return Trace(engine, scans, repeats, in.at("trace"));
  std::vector<ReadoutBlock> blocks;
  json answer = RunOnce(engine, scans, blocks);
  if (answer.contains("error")) return answer;
  if (repeats > 0) return Repeat(engine, scans, repeats, {});
  json rows = json::array();
  for (const ReadoutBlock& block : blocks) AppendRows(block, rows);
  answer["rows"] = std::move(rows);
  return answer;
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
  json precisions = json::array();
  for (const ablate::Precision precision : info.precisions) precisions.push_back(ablate::Name(precision));
  std::cout << json{{"device", info.device},
                    {"precisions", std::move(precisions)},
                    {"batch_invariant", info.batch_invariant},
                    {"max_packed_tokens", info.max_packed_tokens},
                    {"memory_budget_bytes", info.memory_budget_bytes},
                    {"threads", info.threads},
                    {"peak_rss_bytes", PeakRssBytes()}}
            << std::endl;
  while (std::getline(std::cin, line)) std::cout << Answer(**engine, json::parse(line)) << std::endl;
  return 0;
}
