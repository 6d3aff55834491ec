// PassGraphs with a recorder that keeps what it is given and runs it again: a small model on the CPU, whose bits depend
// on nothing but a row, so that what a larger room holds beside a chunk must leave no trace.
#include "engine/forward/pass_graphs.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "engine/forward/layer.h"
#include "engine/forward/ops.h"
#include "engine/forward/weights.h"
#include "gtest/gtest.h"
#include "tests/engine/forward/small_model.h"

namespace ablate {
namespace {

const PassDevice kCpu = {c10::kCPU, {}};

// What launches would be: with the values that they were queued with.
using Step = std::function<void()>;
// While a recording is made: where steps go.
std::vector<Step>* recording = nullptr;
bool records = true, launches = true;
int rehearsals = 0;

void Queue(Step step) {
  recording != nullptr ? recording->push_back(std::move(step)) : step();
}

class FakeLaunches final : public RecordedLaunches {
 public:
  explicit FakeLaunches(std::vector<Step> steps) : steps_(std::move(steps)) {}
  bool Launch() override {
    if (!launches) return false;
    for (const Step& step : steps_) step();
    return true;
  }
  int64_t bytes() const override { return 1000; }

 private:
  const std::vector<Step> steps_;
};

std::unique_ptr<RecordedLaunches> FakeRecord(absl::FunctionRef<void()> queue) {
  if (!records) return nullptr;
  std::vector<Step> steps;
  recording = &steps;
  queue();
  recording = nullptr;
  return std::make_unique<FakeLaunches>(std::move(steps));
}

void FakeRehearse(absl::FunctionRef<void()> queue) {
  ++rehearsals;
  queue();
}

// A chunk of one prompt with a donor, and its tokens.
struct Problem {
  Problem(int32_t n_tokens, int32_t n_variants, int32_t first_id) {
    std::vector<Variant> variants;
    for (int32_t v = 0; v < n_variants; ++v) {
      Edit edit = {.site = {v % kLayers, (v / kLayers) % kHeads}, .positions = {v % n_tokens, INT32_MAX}};
      if (v % 4 == 1) edit.scale = 0.5F;
      if (v % 4 == 2) edit.entry = v % 3;
      if (v % 4 == 3) edit.scale = 1, edit.from_donor = true;
      variants.push_back({{edit}});
    }
    const std::vector<int32_t> reads = {n_tokens - 1};
    const PlanPrompt prompts[] = {
        {.n_tokens = n_tokens, .variants = variants, .read_positions = reads, .has_donor = true}};
    chunk = MakePlan(prompts, {.n_layers = kLayers, .max_packed_tokens = 100'000}).value().chunks.at(0);
    for (const Row& row : chunk.layers[0].rows) {
      for (int32_t p = row.begin; p < row.end; ++p) {
        tokens.ids.push_back((first_id + 7 * p + (row.is_donor ? 3 : 0)) % kVocab);
        tokens.positions.push_back(p);
      }
    }
  }

  int64_t rows_out() const { return static_cast<int64_t>(chunk.layers.back().source_token.size()); }

  Chunk chunk;
  PackedTokens tokens;
};

class PassGraphsTest : public testing::Test {
 protected:
  PassGraphsTest() : table_(at::randn({3, kHeadSize})) { records = launches = true; }

  // The pass as steps, in `workspace`.
  at::Tensor Pass(const DeviceTables& tables, int64_t n, Workspace& workspace) {
    at::Tensor x = workspace.Take(Slot::kResidualA, {n, kModel});
    Queue([this, x, tokens = tables.tokens()] {
      at::Tensor out = x;
      Embed(weights_.wte, weights_.wpe, tokens, out);
    });
    for (int32_t layer = 0; layer < kLayers; ++layer) {
      const LayerTables of_layer = tables.At(static_cast<size_t>(layer));
      const at::Tensor next = workspace.TakeOther(x, {PadRows(of_layer.tokens_out), kModel});
      Queue([this, layer, of_layer, table = tables.edit_table(), x, &workspace] {
        // The rows of a plan are asked for on a GPU alone.
        LayerPlan plan;
        plan.layer = layer;
        RunLayer(weights_.layers[static_cast<size_t>(layer)], config_, plan, of_layer, table, x, workspace);
      });
      x = next;
    }
    return x;
  }

  // What the chunk's own tokens are at the end, by the graphs.
  at::Tensor Run(const Problem& problem) {
    // Whatever a room holds beside a chunk may be anything.
    for (const Slot slot :
         {Slot::kResidualA, Slot::kResidualB, Slot::kNormed, Slot::kHidden, Slot::kHeads, Slot::kEditedHeads}) {
      workspace_.Take(slot, {kWorkspaceElements}).fill_(NAN);
    }
    const auto layers = [&](const DeviceTables& tables, int64_t n) { return Pass(tables, n, workspace_); };
    return graphs_.Run(problem.chunk, problem.tokens, table_, kCpu, layers).slice(0, 0, problem.rows_out()).clone();
  }
  at::Tensor Expected(const Problem& problem) {
    Workspace workspace{at::TensorOptions(at::kFloat)};
    const DeviceTables tables(problem.chunk, problem.tokens, config_, table_, kCpu);
    const int64_t n = PadRows(problem.chunk.layers[0].n_tokens_in);
    return Pass(tables, n, workspace).slice(0, 0, problem.rows_out());
  }
  void ExpectRight(const Problem& problem) {
    const at::Tensor found = Run(problem);
    EXPECT_FALSE(at::isnan(found).any().item<bool>());
    EXPECT_TRUE(at::equal(found, Expected(problem)));
  }
  void ExpectCounts(int64_t recorded, int64_t replayed) {
    EXPECT_EQ(graphs_.n_recorded(), recorded);
    EXPECT_EQ(graphs_.n_replayed(), replayed);
  }

  static constexpr int64_t kWorkspaceElements = int64_t{1} << 18;

  const GptConfig config_ = SmallConfig();
  const Weights weights_ = RandomWeights();
  at::Tensor table_;
  Workspace workspace_{at::TensorOptions(at::kFloat)};
  PassGraphs graphs_{config_, workspace_, {&FakeRehearse, &FakeRecord}};
};

TEST_F(PassGraphsTest, ThePassThatComesAgainIsRecordedAndThenReplayed) {
  const Problem problem(6, 40, 1);
  ExpectRight(problem);
  ExpectCounts(0, 0);
  ExpectRight(problem);
  ExpectCounts(1, 0);
  ExpectRight(problem);
  ExpectRight(problem);
  ExpectCounts(1, 2);
}

TEST_F(PassGraphsTest, OtherChunksRunInTheSameRoom) {
  const Problem first(6, 40, 1);
  Run(first), Run(first);
  ExpectCounts(1, 0);
  // Other tokens, and a few variants fewer.
  ExpectRight(Problem(6, 40, 11));
  ExpectRight(Problem(6, 38, 5));
  ExpectRight(first);
  ExpectCounts(1, 3);
  // Much smaller, and larger.
  ExpectRight(Problem(6, 3, 1));
  ExpectRight(Problem(9, 40, 1));
  ExpectCounts(1, 3);
}

TEST_F(PassGraphsTest, WhatWasRecordedInOldMemoryIsForgotten) {
  const Problem problem(6, 40, 1);
  Run(problem), Run(problem), Run(problem);
  ExpectCounts(1, 1);
  workspace_.Reserve(Slot::kHidden, 2 * kWorkspaceElements);
  ExpectRight(problem);
  ExpectCounts(1, 1);
  ExpectRight(problem);
  ExpectCounts(2, 1);
  workspace_.Clear();
  ExpectRight(problem);
  graphs_.Clear();
  ExpectRight(problem);
  ExpectRight(problem);
}

TEST_F(PassGraphsTest, LogitsMayMove) {
  const Problem problem(6, 40, 1);
  Run(problem), Run(problem);
  workspace_.Reserve(Slot::kLogits, 12'345);
  ExpectRight(problem);
  ExpectCounts(1, 1);
}

TEST_F(PassGraphsTest, AnotherEditTableIsCopiedIntoTheRecordedOnes) {
  const Problem problem(6, 40, 1);
  Run(problem), Run(problem);
  table_ = at::randn({3, kHeadSize});
  ExpectRight(problem);
  table_ = at::randn({3, kHeadSize});
  ExpectRight(problem);
  ExpectCounts(1, 2);
}

TEST_F(PassGraphsTest, ALargerEditTableIsRecordedAnew) {
  const Problem problem(6, 40, 1);
  Run(problem), Run(problem);
  table_ = at::randn({40, kHeadSize});
  ExpectRight(problem);
  ExpectCounts(1, 0);
  ExpectRight(problem);
  // The larger room holds the smaller table too.
  table_ = at::randn({3, kHeadSize});
  ExpectRight(problem);
  ExpectCounts(2, 1);
  table_ = at::randn({PassGraphs::kMostEntries + 1, kHeadSize});
  ExpectRight(problem);
  ExpectRight(problem);
  ExpectRight(problem);
  ExpectCounts(2, 1);
}

TEST_F(PassGraphsTest, RehearsesInFrontOfEachRecording) {
  rehearsals = 0;
  const Problem problem(6, 40, 1);
  Run(problem);
  EXPECT_EQ(rehearsals, 0);
  Run(problem), Run(problem);
  EXPECT_EQ(rehearsals, 1);
}

TEST_F(PassGraphsTest, ADeviceThatWillNotRecordIsAskedOnce) {
  records = false;
  const Problem problem(6, 40, 1);
  for (int i = 0; i < 4; ++i) ExpectRight(problem);
  records = true;
  for (int i = 0; i < 4; ++i) ExpectRight(problem);
  ExpectCounts(0, 0);
}

TEST_F(PassGraphsTest, ALaunchThatIsRefusedRunsPlainly) {
  const Problem problem(6, 40, 1);
  Run(problem), Run(problem);
  launches = false;
  ExpectRight(problem);
  launches = true;
  ExpectRight(problem);
  ExpectCounts(1, 0);
  ExpectRight(problem);
  ExpectCounts(2, 0);
}

TEST_F(PassGraphsTest, LargePassesAreNeverRecorded) {
  // Of one layer, copied: only its size counts.
  Problem problem(16, 1, 1);
  LayerPlan& layer = problem.chunk.layers.back();
  const auto many = static_cast<size_t>(PassGraphs::kMostTokens);
  layer.source_token.resize(many, 0);
  layer.position.resize(many, 0);
  layer.row.resize(many, 0);
  int runs = 0;
  const auto layers = [&](const DeviceTables& /*tables*/, int64_t /*n*/) {
    ++runs;
    return workspace_.Take(Slot::kResidualA, {16, kModel});
  };
  for (int i = 0; i < 4; ++i) graphs_.Run(problem.chunk, problem.tokens, table_, kCpu, layers);
  EXPECT_EQ(runs, 4);
  ExpectCounts(0, 0);
}

TEST_F(PassGraphsTest, AnIndexOutOfRangeIsRefusedInAReplayToo) {
  Problem problem(6, 40, 1);
  Run(problem), Run(problem);
  problem.tokens.ids.front() = kVocab;
  EXPECT_THROW(Run(problem), c10::Error);
  problem.tokens.ids.front() = 0;
  problem.chunk.layers[1].source_token.front() = -1;
  EXPECT_THROW(Run(problem), c10::Error);
}

}  // namespace
}  // namespace ablate
