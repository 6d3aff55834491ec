// What the host does for a GPU's forward passes, in the thread that owns the device, for many short prompts in one
// request: it must be less than what the device takes. No GPU is needed: what a device would do is left out, or done
// for a vocabulary of a few tokens.
//   host_path --prompts 2000
// One JSON object: {"prompts", "tokens" (of all prompts), "variants" (of each), "chunks", "rows", "table_bytes", and of
// the fastest of some runs "plan_ns" (tries and cuts), "build_ns" (the chunks' indices), "tables_ns" (checked, and
// written into blocks), "readouts_ns" (queries, and columns of results)}.
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "engine/forward/ops.h"
#include "engine/forward/pass_tables.h"
#include "engine/forward/readout.h"
#include "engine/forward/token_budget.h"
#include "engine/plan/plan.h"
#include "engine/scan_plan.h"

namespace ablate {
namespace {

constexpr int32_t kLayers = 12, kHeads = 12, kVocab = 8, kModel = 12;
// Of a pass on a GPU (engine/forward/token_budget.cc).
constexpr int64_t kMaxPackedTokens = 65'536;
constexpr int kRuns = 5;

std::vector<Scan> MakeScans(int n_prompts) {
  std::mt19937 random(200);
  std::uniform_int_distribution<int32_t> length(4, 16), id(0, kVocab - 1);
  std::vector<Scan> scans(static_cast<size_t>(n_prompts));
  for (Scan& scan : scans) {
    scan.token_ids.resize(static_cast<size_t>(length(random)));
    for (int32_t& token : scan.token_ids) token = id(random);
    for (int32_t layer = 0; layer < kLayers; ++layer) {
      for (int32_t head = 0; head < kHeads; ++head) scan.variants.push_back({{Edit{.site = {layer, head}}}});
    }
    scan.read_positions = {static_cast<int32_t>(scan.token_ids.size()) - 1};
    scan.answers = {{.targets = {1}, .contrasts = {2}}};
  }
  return scans;
}

GptConfig Config() {
  GptConfig config;
  config.n_layers = kLayers;
  config.n_heads = kHeads;
  config.d_model = kModel;
  config.d_head = kModel / kHeads;
  config.d_mlp = 4 * kModel;
  config.vocab_size = kVocab;
  config.n_positions = 1024;
  config.layer_norm_epsilon = 1e-5;
  return config;
}

std::vector<ReadoutRequest> RequestsOf(const Chunk& chunk) {
  std::vector<int64_t> baseline_of;  // [prompts]
  for (const ReadPoint& read : chunk.reads) {
    baseline_of.resize(std::max(baseline_of.size(), static_cast<size_t>(read.prompt) + 1));
    if (read.variant == kBaselineVariant) baseline_of[static_cast<size_t>(read.prompt)] = read.token;
  }
  std::vector<ReadoutRequest> requests;
  requests.reserve(chunk.reads.size());
  for (const ReadPoint& read : chunk.reads) {
    requests.push_back({.scan = read.prompt,
                        .variant = read.variant,
                        .position = read.position,
                        .row = read.token,
                        .baseline_row = baseline_of[static_cast<size_t>(read.prompt)]});
  }
  return requests;
}

// Nanoseconds since the last call.
class Lap {
 public:
  int64_t operator()() {
    const int64_t now = absl::GetCurrentTimeNanos();
    return now - std::exchange(last_, now);
  }

 private:
  int64_t last_ = absl::GetCurrentTimeNanos();
};

struct Times {
  int64_t plan = 0, build = 0, tables = 0, readouts = 0;
  int64_t sum() const { return plan + build + tables + readouts; }
};

nlohmann::json Measure(int n_prompts) {
  const std::vector<Scan> scans = MakeScans(n_prompts);
  const GptConfig config = Config();
  Weights weights;
  weights.unembedding = at::randn({kVocab, kModel});
  weights.ln_f_weight = at::ones({kModel});
  weights.ln_f_bias = at::zeros({kModel});
  Workspace workspace(weights.unembedding.options());
  Times best;
  int64_t n_tokens = 0, n_rows = 0, n_chunks = 0;
  size_t table_bytes = 0;
  for (const Scan& scan : scans) n_tokens += static_cast<int64_t>(scan.token_ids.size());
  for (int run = 0; run < kRuns; ++run) {
    Times times;
    n_rows = 0, table_bytes = 0;
    Lap lap;
    const Planner planner = PlannerOf(scans, {kLayers, kMaxPackedTokens, FirstPassTokens(kMaxPackedTokens)}).value();
    n_chunks = planner.n_chunks();
    times.plan = lap();
    for (int64_t i = 0; i < n_chunks; ++i) {
      const Chunk chunk = planner.Build(i);
      times.build += lap();
      const PackedTokens tokens = PackTokens(chunk, scans);
      std::vector<HostTables> tables;
      for (const LayerPlan& plan : chunk.layers) {
        tables.emplace_back(plan);
        if (!CheckIndices(tables.back(), kHeads, 0).empty()) throw std::logic_error("a plan that is none");
      }
      const PassLayout layout(ShapeOf(chunk, kRowMultiple));
      // Not filled with zeros, as pinned memory is not.
      const auto block =
          std::make_unique_for_overwrite<std::max_align_t[]>(layout.bytes() / sizeof(std::max_align_t) + 1);
      layout.Write(tables, tokens, {}, {reinterpret_cast<std::byte*>(block.get()), layout.bytes()});
      table_bytes += layout.bytes();
      times.tables += lap();
      const std::vector<ReadoutRequest> requests = RequestsOf(chunk);
      const at::Tensor x = at::zeros({PadRows(static_cast<int64_t>(chunk.layers.back().source_token.size())), kModel});
      lap();
      // One row of each: a prompt's baseline is among its own.
      std::vector<PendingBlocks> pending;
      std::vector<ReadoutBlock> blocks;
      absl::Span<const ReadoutRequest> rest = requests;
      while (!rest.empty()) {
        const size_t count = std::min<size_t>(rest.size(), 1 + kLayers * kHeads);
        pending.push_back(ReadOut(weights, config, scans, rest.subspan(0, count), {&x, 1}, workspace));
        rest.remove_prefix(count);
      }
      for (PendingBlocks& readout : pending) std::move(readout)({}, blocks);
      times.readouts += lap();
      n_rows += static_cast<int64_t>(requests.size());
    }
    if (run == 0 || times.sum() < best.sum()) best = times;
  }
  return {{"prompts", n_prompts},        {"tokens", n_tokens},     {"variants", kLayers * kHeads},
          {"chunks", n_chunks},          {"rows", n_rows},         {"table_bytes", table_bytes},
          {"plan_ns", best.plan},        {"build_ns", best.build}, {"tables_ns", best.tables},
          {"readouts_ns", best.readouts}};
}

}  // namespace
}  // namespace ablate

int main(int argc, char** argv) {
  CLI::App app("Times what the host does for a GPU's forward passes", "host_path");
  int prompts = 2000;
  app.add_option("--prompts", prompts, "Of 4 to 16 tokens, each with 144 heads zeroed")->check(CLI::Range(1, 1 << 20));
  CLI11_PARSE(app, argc, argv);
  const c10::InferenceMode no_autograd;
  at::set_num_threads(1);
  std::cout << ablate::Measure(prompts).dump() << std::endl;
  return 0;
}
