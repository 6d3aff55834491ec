// GptEngine's ways of going through a plan's chunks: one after the other, or each queued before the last one's results
// are waited for, which a GPU's does. On the CPU nothing runs beside anything, but the order of things is the same.
#include "engine/forward/gpt_engine.h"

#include <cstdint>
#include <map>
#include <new>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/engine/forward/small_model.h"

namespace ablate {
namespace {

GptEngine MakeEngine(bool overlaps, int64_t max_packed_tokens = 64) {
  Weights weights = RandomWeights();
  weights.ln_f_weight = at::ones({kModel});
  weights.ln_f_bias = at::zeros({kModel});
  weights.unembedding = weights.wte;
  EngineInfo info;
  info.max_packed_tokens = max_packed_tokens;
  info.memory_budget_bytes = int64_t{1} << 30;
  info.threads = 1;
  DeviceUse use;
  use.overlaps = overlaps;
  return GptEngine(std::move(weights), SmallConfig(), nullptr, info, std::move(use));
}

Scan MakeScan(int32_t n_tokens, int32_t first_id) {
  Scan scan;
  for (int32_t p = 0; p < n_tokens; ++p) scan.token_ids.push_back((first_id + 7 * p) % kVocab);
  for (int32_t layer = 0; layer < kLayers; ++layer) {
    for (int32_t head = 0; head < kHeads; ++head) scan.variants.push_back({{Edit{.site = {layer, head}}}});
  }
  scan.read_positions = {n_tokens - 1};
  scan.answers = {{.targets = {3}, .contrasts = {4, 5}}};
  scan.top_k = 2;
  return scan;
}

// Two that fit whole, one that is cut, and another.
std::vector<Scan> MakeScans() {
  return {MakeScan(3, 1), MakeScan(2, 11), MakeScan(kPositions, 5), MakeScan(3, 23)};
}

using Rows = std::map<std::tuple<int32_t, int32_t, int32_t>, std::vector<double>>;

// Adds a block's rows, each of which comes once.
void Add(const ReadoutBlock& block, Rows& rows) {
  for (size_t i = 0; i < block.variant.size(); ++i) {
    const std::vector<double> row = {block.target_logit[i], block.logit_diff[i],        block.kl_divergence[i],
                                     block.entropy[i],      block.top_k_logprob[2 * i], block.delta_target_logprob[i]};
    EXPECT_TRUE(rows.emplace(std::tuple(block.scan, block.variant[i], block.position[i]), row).second);
  }
}

Rows RowsOf(GptEngine& engine, const std::vector<Scan>& scans) {
  Rows rows;
  const auto stats = engine.Run(scans, [&](const ReadoutBlock& block) {
    Add(block, rows);
    return absl::OkStatus();
  });
  EXPECT_TRUE(stats.ok()) << stats.status();
  if (stats.ok()) {
    EXPECT_GT(stats->forward_passes, 3) << "several chunks";
    EXPECT_GT(stats->forward_ns, stats->readout_ns);
  }
  return rows;
}

TEST(GptEngineTest, OverlappingGivesTheSameRows) {
  GptEngine plain = MakeEngine(false), overlapping = MakeEngine(true);
  const Rows expected = RowsOf(plain, MakeScans());
  EXPECT_EQ(expected.size(), MakeScans().size() * (1 + kLayers * kHeads));
  EXPECT_EQ(RowsOf(overlapping, MakeScans()), expected);
}

TEST(GptEngineTest, TheNextChunkIsPlannedBeforeTheLastOnesResultsAreWaitedFor) {
  for (const bool overlaps : {false, true}) {
    GptEngine engine = MakeEngine(overlaps);
    std::vector<Scan> scans = MakeScans();
    // Asked when a chunk with rows of its scan has been planned.
    int planned = 0, planned_at_first = -1;
    for (Scan& scan : scans) {
      scan.cancelled = [&] {
        ++planned;
        return false;
      };
    }
    const auto stats = engine.Run(scans, [&](const ReadoutBlock&) {
      if (planned_at_first < 0) planned_at_first = planned;
      return absl::OkStatus();
    });
    ASSERT_TRUE(stats.ok());
    // Reads of the first chunk, which has one or two scans.
    const int of_first = (overlaps ? 1 : 2) * (1 + kLayers * kHeads);
    EXPECT_EQ(planned_at_first > of_first, overlaps) << planned_at_first;
  }
}

// What waits for the device chunk by chunk gains nothing by a small first one.
TEST(GptEngineTest, WithEffectsTheFirstChunkIsAsLargeAsTheOthers) {
  for (const bool effects : {false, true}) {
    GptEngine plain = MakeEngine(false), overlapping = MakeEngine(true);
    std::vector<Scan> scans = {MakeScan(3, 1), MakeScan(2, 11)};
    for (Scan& scan : scans) scan.effects = effects;
    const auto sink = [](const ReadoutBlock&) { return absl::OkStatus(); };
    EXPECT_EQ(plain.Run(scans, sink)->forward_passes, 1);
    EXPECT_EQ(overlapping.Run(scans, sink)->forward_passes, effects ? 1 : 2);
  }
}

// Whoever runs between two chunks may lose the device: what was computed before is handed out first.
TEST(GptEngineTest, AllIsHandedOutBeforeOthersRun) {
  GptEngine engine = MakeEngine(true);
  std::vector<Scan> scans = MakeScans();
  size_t rows = 0;
  std::vector<size_t> rows_before_others;
  int asked = 0;
  scans[0].others_wait = [&] { return ++asked == 1; };
  scans[0].between_chunks = [&] { rows_before_others.push_back(rows); };
  const auto stats = engine.Run(scans, [&](const ReadoutBlock& block) {
    rows += block.variant.size();
    return absl::OkStatus();
  });
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(asked, stats->forward_passes - 1);
  // Behind the first chunk, which has one scan.
  EXPECT_EQ(rows_before_others, (std::vector<size_t>{1 + kLayers * kHeads}));
}

// Memory that runs out while a chunk's results wait: all rows come, each once.
TEST(GptEngineTest, MemoryMayRunOutWhileAChunkIsQueued) {
  // Large enough that it can be halved.
  constexpr int64_t kTokens = 600;
  std::vector<Scan> many;
  for (int32_t i = 0; i < 24; ++i) many.push_back(MakeScan(kPositions, i));
  GptEngine plain = MakeEngine(false, kTokens);
  const Rows expected = RowsOf(plain, many);
  for (const int at : {1, 2, 3}) {
    GptEngine engine = MakeEngine(true, kTokens);
    std::vector<Scan> scans = many;
    Rows rows;
    int chunks = 0;
    scans[0].between_chunks = [] {};
    scans[0].others_wait = [&] {
      if (++chunks == at) throw std::bad_alloc();
      return false;
    };
    const auto stats = engine.Run(scans, [&](const ReadoutBlock& block) {
      Add(block, rows);
      return absl::OkStatus();
    });
    ASSERT_TRUE(stats.ok()) << stats.status();
    EXPECT_EQ(stats->out_of_memory_retries, 1);
    EXPECT_EQ(rows, expected) << at;
  }
}

TEST(GptEngineTest, OthersMayRunBetweenChunks) {
  GptEngine plain = MakeEngine(false), engine = MakeEngine(true);
  const Rows expected = RowsOf(plain, MakeScans());
  std::vector<Scan> scans = MakeScans();
  const std::vector<Scan> others = {MakeScan(kPositions, 9), MakeScan(4, 2)};
  const Rows expected_others = RowsOf(plain, others);
  int runs = 0;
  scans[0].between_chunks = [&] {
    ++runs;
    EXPECT_EQ(RowsOf(engine, others), expected_others);
  };
  EXPECT_EQ(RowsOf(engine, scans), expected);
  EXPECT_GT(runs, 2);
}

TEST(GptEngineTest, ASinkThatFailsEndsTheRunWhateverIsQueued) {
  GptEngine engine = MakeEngine(true);
  int blocks = 0;
  const auto stats = engine.Run(MakeScans(), [&](const ReadoutBlock&) {
    ++blocks;
    return absl::CancelledError("enough");
  });
  EXPECT_EQ(stats.status(), absl::CancelledError("enough"));
  EXPECT_EQ(blocks, 1);
  GptEngine plain = MakeEngine(false);
  EXPECT_EQ(RowsOf(engine, MakeScans()), RowsOf(plain, MakeScans())) << "nothing is left behind";
}

TEST(GptEngineTest, ACancelledScanIsDroppedFromItsNextChunkOn) {
  GptEngine engine = MakeEngine(true);
  std::vector<Scan> scans = {MakeScan(kPositions, 5), MakeScan(3, 1)};
  bool stop = false;
  scans[0].cancelled = [&] { return stop; };
  Rows rows;
  const auto stats = engine.Run(scans, [&](const ReadoutBlock& block) {
    stop = true;
    Add(block, rows);
    return absl::OkStatus();
  });
  ASSERT_TRUE(stats.ok());
  size_t of_first = 0, of_second = 0;
  for (const auto& [key, row] : rows) ++(std::get<0>(key) == 0 ? of_first : of_second);
  EXPECT_LT(of_first, size_t{1 + kLayers * kHeads});
  EXPECT_EQ(of_second, size_t{1 + kLayers * kHeads});
}

}  // namespace
}  // namespace ablate
