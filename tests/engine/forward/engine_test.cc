// The engine's contract on the bundled model: validation, cancellation, errors, budgets.
// What it computes is checked against Hugging Face in test_oracle.py.

#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <utility>
#include <vector>

#include "engine/forward/token_budget.h"
#include "engine/model/config.h"

namespace ablate {
namespace {

using ::testing::HasSubstr;

class EngineTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Load({.model_dir = DEMO_MODEL, .device = "cpu"});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = std::move(*engine).release();
  }
  static void TearDownTestSuite() { delete std::exchange(engine_, nullptr); }

  static Scan Reference() {
    Scan scan;
    scan.token_ids = engine_->tokenizer().Encode("Berlin is the capital of").value();
    for (int32_t layer = 0; layer < engine_->Describe().n_layers; ++layer) {
      for (int32_t head = 0; head < engine_->Describe().n_heads; ++head) {
        scan.variants.push_back({{Edit{.site = {layer, head}}}});
      }
    }
    scan.read_positions = {static_cast<int32_t>(scan.token_ids.size()) - 1};
    scan.answers = {{.targets = engine_->tokenizer().Encode(" Germany").value(), .contrasts = {}}};
    return scan;
  }

  static Engine* engine_;
};

Engine* EngineTest::engine_ = nullptr;

TEST_F(EngineTest, DescribesItself) {
  const EngineInfo& info = engine_->Describe();
  EXPECT_EQ(info.n_layers, 12);
  EXPECT_EQ(info.n_heads, 12);
  EXPECT_EQ(info.d_head * info.n_heads, info.d_model);
  EXPECT_EQ(info.device, "cpu");
  EXPECT_EQ(info.weights_sha256.size(), 64U);
  EXPECT_EQ(info.tokenizer_sha256.size(), 64U);
  EXPECT_TRUE(info.batch_invariant);
  EXPECT_GT(info.max_packed_tokens, 0);
}

TEST_F(EngineTest, EveryRowComesOnceWithItsColumns) {
  std::set<int32_t> variants;
  const auto stats = engine_->Run({Reference()}, [&](const ReadoutBlock& block) {
    EXPECT_EQ(block.target_logprob.size(), block.variant.size());
    EXPECT_EQ(block.delta_target_logprob.size(), block.variant.size());
    EXPECT_TRUE(block.contrast_logprob.empty());
    EXPECT_TRUE(block.logit_diff.empty());
    for (int32_t variant : block.variant) EXPECT_TRUE(variants.insert(variant).second) << variant;
    return absl::OkStatus();
  });
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->forward_passes, 1);
  EXPECT_EQ(variants.size(), 145U);
  EXPECT_EQ(*variants.begin(), -1);
}

TEST_F(EngineTest, InvalidScansNameTheField) {
  struct Case {
    const char* expected;
    void (*damage)(Scan&);
  };
  const Case cases[] = {
      {"token_ids: the prompt is empty", [](Scan& s) { s.token_ids.clear(); }},
      {"this model takes at most", [](Scan& s) { s.token_ids.assign(5000, 1); }},
      {"token_ids: got -1", [](Scan& s) { s.token_ids[0] = -1; }},
      {"token_ids: got 1000000", [](Scan& s) { s.token_ids[0] = 1'000'000; }},
      {"donor_token_ids: got 2 tokens, expected as many", [](Scan& s) { s.donor_token_ids = {1, 2}; }},
      {"donor_token_ids: got -1", [](Scan& s) { s.donor_token_ids.assign(s.token_ids.size(), -1); }},
      {"answers.targets: got 1000000", [](Scan& s) { s.answers[0].targets = {1'000'000}; }},
      {"answers.contrasts: got -2", [](Scan& s) { s.answers[0].contrasts = {-2}; }},
      {"answers: got 2, expected none, one, or one for each of the 1", [](Scan& s) { s.answers.resize(2); }},
      {"effects: the answers lack", [](Scan& s) { s.effects = true; }},
      {"compensation: set, expected with `effects`", [](Scan& s) { s.compensation = true; }},
      {"entry: the scan has no table", [](Scan& s) { s.variants[3].edits[0].entry = 0; }},
      {"table.d_head: got 3", [](Scan& s) { s.table = std::make_shared<EditTable>(EditTable{3, {0, 0, 0}}); }},
      {"variants[0].edits[0].from_donor is set", [](Scan& s) { s.variants[0].edits[0].from_donor = true; }},
      {"top_k: got 101", [](Scan& s) { s.top_k = 101; }},
      {"variants[0].edits[0].site.layer is 12, expected 0 to 11",
       [](Scan& s) { s.variants[0].edits[0].site.layer = 12; }},
      {"variants[0].edits[0].site.head is -1", [](Scan& s) { s.variants[0].edits[0].site.head = -1; }},
      {"site.head: got 12, expected 0 .. 11", [](Scan& s) { s.variants[0].edits[0].site.head = 12; }},
      {"variants[0].edits[0].scale is", [](Scan& s) { s.variants[0].edits[0].scale = NAN; }},
      {"read_positions", [](Scan& s) { s.read_positions.clear(); }},
      {"read_positions", [](Scan& s) { s.read_positions = {99}; }},
      {"read_positions", [](Scan& s) { s.read_positions = {2, 1}; }},
  };
  for (const Case& c : cases) {
    Scan scan = Reference();
    c.damage(scan);
    const auto stats = engine_->Run({scan}, [](const ReadoutBlock&) { return absl::OkStatus(); });
    EXPECT_EQ(stats.status().code(), absl::StatusCode::kInvalidArgument) << c.expected;
    EXPECT_THAT(std::string(stats.status().message()), HasSubstr(c.expected));
  }
}

TEST_F(EngineTest, ACancelledScanIsDroppedAndItsNeighbourIsNot) {
  Scan cancelled = Reference();
  cancelled.cancelled = [] { return true; };
  std::set<int32_t> scans;
  const auto stats = engine_->Run({cancelled, Reference()}, [&](const ReadoutBlock& block) {
    scans.insert(block.scan);
    return absl::OkStatus();
  });
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(scans, std::set<int32_t>{1});
  const auto nothing = engine_->Run({cancelled}, [](const ReadoutBlock&) { return absl::OkStatus(); });
  ASSERT_TRUE(nothing.ok());
  EXPECT_EQ(nothing->forward_passes, 0);
}

// Memory may run out anywhere in a Run, in the sink that it calls too: there a test can make it happen.
class OutOfMemoryTest : public EngineTest {
 protected:
  // 18,000 packed tokens in the last layers: more than one chunk.
  static Scan Large() {
    Scan scan = Reference();
    scan.token_ids.assign(engine_->Describe().n_positions, scan.token_ids[0]);
    scan.read_positions = {engine_->Describe().n_positions - 1};
    return scan;
  }

  // The rows by variant; `before` is called for each block before it is taken.
  static absl::StatusOr<RunStats> Run(const std::function<void()>& before, std::map<int32_t, double>& rows) {
    return engine_->Run({Large()}, [&](const ReadoutBlock& block) {
      before();
      for (size_t i = 0; i < block.variant.size(); ++i) {
        EXPECT_TRUE(rows.emplace(block.variant[i], block.target_logprob[i]).second) << block.variant[i];
      }
      return absl::OkStatus();
    });
  }
};

TEST_F(OutOfMemoryTest, IsAnErrorThatTheEngineSurvives) {
  std::map<int32_t, double> rows;
  const auto stats = Run([] { throw std::bad_alloc(); }, rows);
  EXPECT_EQ(stats.status().code(), absl::StatusCode::kResourceExhausted) << stats.status();
  EXPECT_THAT(std::string(stats.status().message()), HasSubstr("cpu is out of memory"));
  EXPECT_TRUE(Run([] {}, rows).ok());
}

TEST_F(OutOfMemoryTest, WhatIsLeftGoesOnInSmallerChunksWithTheSameBits) {
  std::map<int32_t, double> whole;
  const auto undisturbed = Run([] {}, whole);
  ASSERT_TRUE(undisturbed.ok()) << undisturbed.status();
  EXPECT_EQ(undisturbed->out_of_memory_retries, 0);
  ASSERT_GE(undisturbed->forward_passes, 2);
  EXPECT_EQ(whole.size(), 145U);
  for (const int failing_block : {1, 2}) {
    int n_blocks = 0;
    std::map<int32_t, double> rows;
    const auto stats = Run(
        [&] {
          if (++n_blocks == failing_block) throw std::bad_alloc();
        },
        rows);
    ASSERT_TRUE(stats.ok()) << stats.status();
    EXPECT_EQ(stats->out_of_memory_retries, 1);
    EXPECT_EQ(rows, whole);
  }
}

// Also where the second chunk reads what the first one kept of the unedited run.
TEST_F(OutOfMemoryTest, AnotherRunBetweenTwoChunksMovesNoBit) {
  Scan large = Large();
  large.answers[0].contrasts = engine_->tokenizer().Encode(" France").value();
  large.effects = true;
  large.table = std::make_shared<EditTable>(
      EditTable{.d_head = engine_->Describe().d_head, .values = std::vector<double>(engine_->Describe().d_head, 0.25)});
  for (Variant& variant : large.variants) variant.edits[0].entry = 0;
  using Rows = std::map<int32_t, std::pair<double, double>>;
  const auto run = [](const Scan& scan, Rows& rows) {
    const auto stats = engine_->Run({scan}, [&](const ReadoutBlock& block) {
      for (size_t i = 0; i < block.variant.size(); ++i) {
        const double effect = block.direct_effect.empty() ? 0 : block.direct_effect[i];
        EXPECT_TRUE(rows.emplace(block.variant[i], std::pair(block.target_logprob[i], effect)).second);
      }
      return absl::OkStatus();
    });
    return stats.ok() ? stats->forward_passes : 0;
  };
  Rows alone, small_alone, together;
  const int32_t passes = run(large, alone);
  ASSERT_GT(passes, 1);
  run(Reference(), small_alone);
  int32_t n_between = 0;
  large.between_chunks = [&] {
    ++n_between;
    Rows small;
    run(Reference(), small);
    EXPECT_EQ(small, small_alone);
  };
  run(large, together);
  EXPECT_EQ(n_between, passes - 1);
  EXPECT_EQ(together, alone);
}

TEST_F(EngineTest, TheSinksErrorEndsTheRun) {
  const auto stats = engine_->Run({Reference()}, [](const ReadoutBlock&) { return absl::AbortedError("enough"); });
  EXPECT_EQ(stats.status().code(), absl::StatusCode::kAborted);
}

TEST_F(EngineTest, CostIsThePlansOwn) {
  // 948 rows of 7 tokens, less what the last layer trims to the read position.
  const Scan scan = Reference();
  const int64_t tokens = static_cast<int64_t>(scan.token_ids.size());
  EXPECT_EQ(engine_->Cost(scan).value(), (948 - 145) * tokens + 145);
}

// Heads' outputs of all layers are kept until the end of a pass.
TEST(EngineBudget, ScansThatWantHeadOutputsGetSmallerPasses) {
  const GptConfig config = ReadConfig(DEMO_MODEL).value();
  // The smallest pass has 256 tokens, of 864 elements each.
  const int64_t budget = LeastMemoryBudget(config, Precision::kFloat32, DeviceKind::kCpu) + 256 * 864 * 4;
  const auto engine = Engine::Load({.model_dir = DEMO_MODEL, .device = "cpu", .memory_budget_bytes = budget});
  ASSERT_TRUE(engine.ok()) << engine.status();
  ASSERT_EQ((*engine)->Describe().max_packed_tokens, 512);
  Scan scan;
  scan.token_ids.assign(64, 11);
  scan.read_positions = {63};
  std::vector<Scan> scans(8, scan);
  const auto ignore = [](const ReadoutBlock& /*block*/) { return absl::OkStatus(); };
  EXPECT_EQ((*engine)->Run(scans, ignore)->forward_passes, 1);
  int given = 0;
  scans[7].on_head_outputs = [&](const HeadOutputs& /*z*/) {
    ++given;
    return absl::OkStatus();
  };
  EXPECT_EQ((*engine)->Run(scans, ignore)->forward_passes, 2);
  EXPECT_EQ(given, 1);
}

TEST(EngineLoad, ErrorsNameWhatIsWrong) {
  struct Case {
    EngineOptions options;
    const char* expected;
  };
  const Case cases[] = {
      {{.model_dir = "/nonexistent"}, "/nonexistent"},
      {{.model_dir = DEMO_MODEL, .device = "tpu"}, "expected auto, cpu or cuda:N"},
      {{.model_dir = DEMO_MODEL, .device = "cpu", .threads = -1}, "threads"},
      {{.model_dir = DEMO_MODEL, .device = "cpu", .max_packed_tokens = -1}, "max_packed_tokens"},
      {{.model_dir = DEMO_MODEL, .device = "cpu", .memory_budget_bytes = 1 << 20},
       "memory_budget_bytes: got 1048576, expected 0 (automatic) or at least"},
      {{.model_dir = DEMO_MODEL, .device = "cpu", .memory_budget_bytes = -1}, "memory_budget_bytes: got -1"},
  };
  for (const Case& c : cases) {
    const auto engine = Engine::Load(c.options);
    ASSERT_FALSE(engine.ok()) << c.expected;
    EXPECT_THAT(std::string(engine.status().message()), HasSubstr(c.expected));
  }
}

}  // namespace
}  // namespace ablate
