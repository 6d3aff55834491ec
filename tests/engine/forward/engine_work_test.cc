// What a Run takes of the machine, as far as no noise can move it: the products that it issues beside those of its
// plan, the tensor memory that it asks for, and the memory budget.

#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/forward/gemm_bf16.h"
#include "engine/forward/token_budget.h"
#include "engine/model/config.h"

namespace ablate {
namespace {

// Operations of all products that go through ATen's dispatcher in this thread while it lives: 2 M K N each.
class IssuedFlops {
 public:
  IssuedFlops() {
    flops_ = 0;
    others_.clear();
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&Count).needsInputs(true));
  }
  ~IssuedFlops() { at::removeCallback(handle_); }
  IssuedFlops(const IssuedFlops&) = delete;
  IssuedFlops& operator=(const IssuedFlops&) = delete;

  static int64_t flops() { return flops_; }
  // Products that it cannot count.
  static const std::string& others() { return others_; }

 private:
  static std::unique_ptr<at::ObserverContext> Count(const at::RecordFunction& function) {
    const std::string name = function.name();
    if (name == "aten::mm" || name == "aten::addmm" || name == "aten::addmm_") {
      const size_t first = name == "aten::mm" ? 0 : 1;
      const at::Tensor& a = function.inputs()[first].toTensor();
      const at::Tensor& b = function.inputs()[first + 1].toTensor();
      flops_ += 2 * a.size(0) * a.size(1) * b.size(1);
    } else if (name == "aten::bmm" || name == "aten::baddbmm" || name == "aten::scaled_dot_product_attention") {
      others_ += name;
    }
    return nullptr;
  }

  static int64_t flops_;
  static std::string others_;
  at::CallbackHandle handle_;
};

int64_t IssuedFlops::flops_ = 0;
std::string IssuedFlops::others_;

EngineOptions OnCpu() {
  EngineOptions options;
  options.model_dir = DEMO_MODEL;
  options.device = "cpu";
  return options;
}

std::unique_ptr<Engine> Load(const EngineOptions& options = OnCpu()) {
  auto engine = Engine::Load(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

// A prompt of `length` tokens, read at its last one.
Scan Prompt(const EngineInfo& info, int32_t length) {
  Scan scan;
  for (int32_t i = 0; i < length; ++i) scan.token_ids.push_back((i * 7919 + length * 104'729) % info.vocab_size);
  scan.read_positions = {length - 1};
  scan.answers = {{.targets = {1}, .contrasts = {2}}};
  return scan;
}

std::vector<Site> Sites(const EngineInfo& info) {
  std::vector<Site> sites;
  for (int32_t layer = 0; layer < info.n_layers; ++layer) {
    for (int32_t head = 0; head < info.n_heads; ++head) sites.push_back({layer, head});
  }
  return sites;
}

Scan Heads(const EngineInfo& info, int32_t length) {
  Scan scan = Prompt(info, length);
  for (const Site& site : Sites(info)) scan.variants.push_back({{Edit{.site = site}}});
  return scan;
}

Scan Pairs(const EngineInfo& info, int32_t length) {
  Scan scan = Prompt(info, length);
  const std::vector<Site> sites = Sites(info);
  for (size_t i = 0; i < sites.size(); ++i) {
    for (size_t j = i + 1; j < sites.size(); ++j) {
      scan.variants.push_back({{Edit{.site = sites[i]}, Edit{.site = sites[j]}}});
    }
  }
  return scan;
}

Scan Patched(const EngineInfo& info, int32_t length) {
  Scan scan = Heads(info, length);
  scan.donor_token_ids = Prompt(info, length + 1).token_ids;
  scan.donor_token_ids.pop_back();
  for (Variant& variant : scan.variants) variant.edits[0].from_donor = true;
  return scan;
}

Scan WithTopK(Scan scan) {
  scan.top_k = 10;
  return scan;
}

Scan WithEffects(Scan scan) {
  scan.effects = scan.compensation = true;
  return scan;
}

Scan WithHeadOutputs(Scan scan) {
  scan.on_head_outputs = [](const HeadOutputs& /*z*/) { return absl::OkStatus(); };
  return scan;
}

Scan WithTable(const EngineInfo& info, Scan scan) {
  const auto n_sites = static_cast<size_t>(int64_t{info.n_layers} * info.n_heads);
  const size_t values = n_sites * static_cast<size_t>(info.d_head);
  scan.table = std::make_shared<const EditTable>(EditTable{info.d_head, std::vector<double>(values, 0.25)});
  for (size_t v = 0; v < scan.variants.size(); ++v) {
    scan.variants[v].edits[0].entry = static_cast<int32_t>(v % n_sites);
  }
  return scan;
}

Scan ReadEverywhere(Scan scan) {
  scan.read_positions.clear();
  for (size_t p = 0; p < scan.token_ids.size(); ++p) scan.read_positions.push_back(static_cast<int32_t>(p));
  return scan;
}

using Rows = std::map<std::pair<int32_t, int32_t>, double>;  // (variant, position)

struct Ran {
  RunStats stats;
  Rows logprobs;
};

Ran RunOf(Engine& engine, const Scan& scan) {
  Ran ran;
  const auto stats = engine.Run({scan}, [&](const ReadoutBlock& block) {
    for (size_t i = 0; i < block.variant.size(); ++i) {
      ran.logprobs[{block.variant[i], block.position[i]}] = block.target_logprob[i];
    }
    return absl::OkStatus();
  });
  EXPECT_TRUE(stats.ok()) << stats.status();
  ran.stats = stats.value();
  return ran;
}

struct Asked {
  const char* name;
  Scan (*scan)(const EngineInfo& info);
};

const Asked kPlain[] = {
    {"heads of 6 tokens", [](const EngineInfo& info) { return Heads(info, 6); }},
    {"heads of 32 tokens", [](const EngineInfo& info) { return Heads(info, 32); }},
    {"heads of 120 tokens", [](const EngineInfo& info) { return Heads(info, 120); }},
    {"pairs", [](const EngineInfo& info) { return Pairs(info, 5); }},
    {"patched", [](const EngineInfo& info) { return Patched(info, 24); }},
    {"top-k", [](const EngineInfo& info) { return WithTopK(Heads(info, 9)); }},
    {"table", [](const EngineInfo& info) { return WithTable(info, Heads(info, 40)); }},
    {"all positions", [](const EngineInfo& info) { return ReadEverywhere(Heads(info, 20)); }},
};

const Asked kTapped[] = {
    {"effects", [](const EngineInfo& info) { return WithEffects(Heads(info, 40)); }},
    {"effects of pairs", [](const EngineInfo& info) { return WithEffects(Pairs(info, 5)); }},
    {"effects of patches", [](const EngineInfo& info) { return WithEffects(Patched(info, 30)); }},
    {"effects at all positions", [](const EngineInfo& info) { return WithEffects(ReadEverywhere(Heads(info, 40))); }},
    {"head outputs", [](const EngineInfo& info) { return WithHeadOutputs(Heads(info, 100)); }},
};

TEST(IssuedProducts, AreThePlansWithFewPadRows) {
  for (const int64_t max_packed_tokens : {0, 1000}) {
    EngineOptions options = OnCpu();
    options.max_packed_tokens = max_packed_tokens;
    const auto engine = Load(options);
    const EngineInfo& info = engine->Describe();
    for (const Asked& asked : kPlain) {
      const Scan scan = asked.scan(info);
      const WorkFigures planned = FiguresOf(engine->Work({scan}).value(), {info.d_model, info.d_mlp, info.vocab_size});
      const auto needed = static_cast<double>(planned.gemm_flops + planned.readout_flops);
      const IssuedFlops issued;
      RunOf(*engine, scan);
      EXPECT_EQ(IssuedFlops::others(), "") << asked.name;
      EXPECT_GE(static_cast<double>(IssuedFlops::flops()), needed) << asked.name;
      EXPECT_LE(static_cast<double>(IssuedFlops::flops()), 1.05 * needed)
          << asked.name << " in passes of " << info.max_packed_tokens << " tokens";
    }
  }
}

TEST(TensorMemory, AWarmScanAsksForNone) {
  std::vector<Precision> precisions = {Precision::kFloat32};
  if (HasBf16Gemm()) precisions.push_back(Precision::kBf16);
  for (const Precision precision : precisions) {
    for (const int64_t max_packed_tokens : {0, 1000}) {
      EngineOptions options = OnCpu();
      options.precision = precision;
      options.max_packed_tokens = max_packed_tokens;
      const auto engine = Load(options);
      for (const Asked& asked : kPlain) {
        const Scan scan = asked.scan(engine->Describe());
        EXPECT_GT(RunOf(*engine, scan).stats.peak_bytes, 0);
        EXPECT_EQ(RunOf(*engine, scan).stats.allocations, 0) << asked.name;
      }
      // The meter runs: effects are composed of ATen's operations.
      EXPECT_GT(RunOf(*engine, WithEffects(Heads(engine->Describe(), 5))).stats.allocations, 0);
    }
  }
}

// Passes of some thousand tokens, so that what is counted wrong for each of them shows.
constexpr int64_t kPassBytes = int64_t{20} << 20;

EngineOptions Tight() {
  EngineOptions options = OnCpu();
  const GptConfig config = ReadConfig(DEMO_MODEL).value();
  options.memory_budget_bytes = LeastMemoryBudget(config, Precision::kFloat32, DeviceKind::kCpu) + kPassBytes;
  return options;
}

// All kinds one after the other in one engine, plain ones again at the end; beside it, one with plenty.
TEST(MemoryBudget, IsKeptWithTheSameBits) {
  const auto plenty = Load();
  const auto tight = Load(Tight());
  const int64_t budget = tight->Describe().memory_budget_bytes;
  ASSERT_EQ(budget, Tight().memory_budget_bytes);
  std::vector<Asked> cases(std::begin(kPlain), std::end(kPlain));
  cases.insert(cases.end(), std::begin(kTapped), std::end(kTapped));
  cases.insert(cases.end(), std::begin(kPlain), std::end(kPlain));
  for (const Asked& asked : cases) {
    const Scan scan = asked.scan(plenty->Describe());
    const Ran wide = RunOf(*plenty, scan);
    const Ran narrow = RunOf(*tight, scan);
    EXPECT_LE(narrow.stats.peak_bytes, budget) << asked.name;
    // The meter sees what fills a pass.
    if (narrow.stats.forward_passes > 1) {
      EXPECT_GT(narrow.stats.peak_bytes, kPassBytes / 2) << asked.name;
    }
    EXPECT_EQ(narrow.logprobs, wide.logprobs) << asked.name;
  }
}

TEST(MemoryBudget, IsKeptByManyScansOfOneRun) {
  const auto engine = Load(Tight());
  const EngineInfo& info = engine->Describe();
  std::vector<Scan> scans;
  for (int32_t i = 0; i < 40; ++i) scans.push_back(WithTable(info, WithEffects(Patched(info, 20 + i))));
  const auto stats = engine->Run(scans, [](const ReadoutBlock& /*block*/) { return absl::OkStatus(); });
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_GT(stats->forward_passes, 1);
  EXPECT_LE(stats->peak_bytes, info.memory_budget_bytes);
}

// What the outer Run keeps from chunk to chunk counts, and so does what the inner one takes meanwhile.
TEST(MemoryBudget, IsKeptByRunsWithinRuns) {
  const auto engine = Load(Tight());
  const EngineInfo& info = engine->Describe();
  Scan outer = WithTable(info, WithEffects(ReadEverywhere(Heads(info, 128))));
  const Scan inner = WithEffects(ReadEverywhere(Patched(info, 120)));
  int runs = 0;
  outer.between_chunks = [&] {
    if (++runs > 2) return;
    const Ran ran = RunOf(*engine, inner);
    EXPECT_GT(ran.stats.forward_passes, 1);
    EXPECT_LE(ran.stats.peak_bytes, info.memory_budget_bytes);
  };
  const Ran ran = RunOf(*engine, outer);
  EXPECT_GT(runs, 2);
  EXPECT_LE(ran.stats.peak_bytes, info.memory_budget_bytes);
}

TEST(SelfTest, MeasuresARate) {
  EXPECT_GT(Load()->Describe().self_test_cost_per_second, 0);
}

}  // namespace
}  // namespace ablate
