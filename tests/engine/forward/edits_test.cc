// What edits put in, and what effects tell of them, in float64: identities that hold whatever the weights are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace ablate {
namespace {

// Of sums over 12 layers of at most 576 terms below 50 in another order: 48 * 576 * 2^-53 * 50 = 1.5e-10.
constexpr double kTolerance = 1.5e-10;

using Key = std::pair<int32_t, int32_t>;  // (variant, position)

class EditsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto engine = Engine::Load({.model_dir = DEMO_MODEL, .device = "cpu", .precision = Precision::kFloat64});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = std::move(*engine).release();
  }
  static void TearDownTestSuite() { delete std::exchange(engine_, nullptr); }

  static std::vector<int32_t> Ids(const char* text) { return engine_->tokenizer().Encode(text).value(); }
  static int32_t n_layers() { return engine_->Describe().n_layers; }
  static int32_t n_heads() { return engine_->Describe().n_heads; }

  static Edit Patch() { return {.site = {}, .scale = 1.0F, .from_donor = true}; }

  static Scan Reference() {
    Scan scan;
    scan.token_ids = Ids("Berlin is the capital of");
    scan.read_positions = {2, static_cast<int32_t>(scan.token_ids.size()) - 1};
    scan.answers = {{.targets = Ids(" Germany"), .contrasts = Ids(" France")}};
    return scan;
  }

  // Every site under `edit`, at all positions.
  static std::vector<Variant> EverySite(Edit edit) {
    std::vector<Variant> variants;
    for (int32_t layer = 0; layer < n_layers(); ++layer) {
      for (int32_t head = 0; head < n_heads(); ++head) {
        edit.site = {layer, head};
        variants.push_back({{edit}});
      }
    }
    return variants;
  }

  static std::vector<ReadoutBlock> Run(const std::vector<Scan>& scans) {
    std::vector<ReadoutBlock> blocks;
    const auto stats = engine_->Run(scans, [&](ReadoutBlock block) {
      blocks.push_back(std::move(block));
      return absl::OkStatus();
    });
    EXPECT_TRUE(stats.ok()) << stats.status();
    return blocks;
  }

  static std::map<Key, double> Column(const std::vector<ReadoutBlock>& blocks,
                                      std::vector<double> ReadoutBlock::* column) {
    std::map<Key, double> values;
    for (const ReadoutBlock& block : blocks) {
      for (size_t i = 0; i < block.variant.size(); ++i)
        values[{block.variant[i], block.position[i]}] = (block.*column)[i];
    }
    return values;
  }

  // A column with several entries a row.
  static std::map<Key, std::vector<double>> Wide(const std::vector<ReadoutBlock>& blocks,
                                                 std::vector<double> ReadoutBlock::* column) {
    std::map<Key, std::vector<double>> values;
    for (const ReadoutBlock& block : blocks) {
      const size_t rows = block.variant.size(), width = (block.*column).size() / rows;
      for (size_t i = 0; i < rows; ++i) {
        const auto from = (block.*column).begin() + static_cast<std::ptrdiff_t>(i * width);
        values[{block.variant[i], block.position[i]}].assign(from, from + static_cast<std::ptrdiff_t>(width));
      }
    }
    return values;
  }

  static Engine* engine_;
};

Engine* EditsTest::engine_ = nullptr;

TEST_F(EditsTest, AHeadsOwnOutputPutInChangesNothing) {
  Scan scan = Reference();
  HeadOutputs z;
  scan.on_head_outputs = [&](const HeadOutputs& outputs) {
    EXPECT_TRUE(z.empty()) << "given twice";
    z = outputs;
    return absl::OkStatus();
  };
  Run({scan});
  const auto n_tokens = static_cast<int32_t>(scan.token_ids.size());
  const int32_t dh = engine_->Describe().d_head;
  ASSERT_EQ(z.size(), static_cast<size_t>(n_layers()) * n_tokens * n_heads() * dh);
  // [L, H, T, Dh], so that an entry a position lies one behind the other.
  auto table = std::make_shared<EditTable>(EditTable{dh, std::vector<double>(z.size())});
  Scan filled = Reference();
  for (int32_t layer = 0; layer < n_layers(); ++layer) {
    for (int32_t head = 0; head < n_heads(); ++head) {
      const int32_t entry = (layer * n_heads() + head) * n_tokens;
      for (int32_t t = 0; t < n_tokens; ++t) {
        const auto from = z.begin() + ((int64_t{layer} * n_tokens + t) * n_heads() + head) * dh;
        std::copy_n(from, dh, table->values.begin() + int64_t{entry + t} * dh);
      }
      filled.variants.push_back({{Edit{.site = {layer, head}, .entry = entry, .entry_stride = 1}}});
    }
  }
  filled.table = table;
  const auto blocks = Run({filled});
  for (const auto& [key, delta] : Column(blocks, &ReadoutBlock::delta_target_logit)) EXPECT_EQ(delta, 0) << key.first;
  EXPECT_EQ(Column(blocks, &ReadoutBlock::delta_target_logit).size(), 2U * 145U);
}

TEST_F(EditsTest, PatchingFromTheSamePromptChangesNothingAndAllHeadsFromAnotherGiveItsAttention) {
  Scan scan = Reference();
  scan.donor_token_ids = scan.token_ids;
  scan.variants = EverySite(Patch());
  for (const auto& [key, delta] : Column(Run({scan}), &ReadoutBlock::delta_target_logit)) EXPECT_EQ(delta, 0);

  scan.donor_token_ids = Ids("Paris is the capital of");
  ASSERT_EQ(scan.donor_token_ids.size(), scan.token_ids.size());
  const auto blocks = Run({scan});
  const auto kl = Column(blocks, &ReadoutBlock::kl_from_donor);
  const auto deltas = Column(blocks, &ReadoutBlock::delta_target_logit);
  const int32_t last = scan.read_positions.back();
  EXPECT_EQ((kl.at({kDonorVariant, last})), 0);
  EXPECT_GT((kl.at({kBaselineVariant, last})), 0);
  EXPECT_NE((deltas.at({0, last})), 0);
  // The donor's row is what its prompt gives on its own.
  Scan alone = Reference();
  alone.token_ids = scan.donor_token_ids;
  const auto logits = Column(Run({alone}), &ReadoutBlock::target_logit);
  EXPECT_EQ((Column(blocks, &ReadoutBlock::target_logit).at({kDonorVariant, last})),
            (logits.at({kBaselineVariant, last})));
}

TEST_F(EditsTest, EffectsAddUpToTheWholeChange) {
  Scan scan = Reference();
  scan.effects = scan.compensation = true;
  scan.variants = EverySite({});
  // A set over three layers, one of its edits behind the first read position.
  scan.variants.push_back({{Edit{.site = {1, 2}}, Edit{.site = {1, 3}, .positions = {3, INT32_MAX}, .scale = 0.5F},
                            Edit{.site = {5, 0}, .scale = -1.0F}, Edit{.site = {11, 7}}}});
  const auto blocks = Run({scan});
  const auto parts = static_cast<size_t>(n_layers()) * n_heads();
  size_t n_rows = 0;
  double largest = 0, largest_compensation = 0;
  for (const ReadoutBlock& block : blocks) {
    for (size_t i = 0; i < block.variant.size(); ++i, ++n_rows) {
      const auto sum = [&](const std::vector<double>& values, size_t width) {
        return std::accumulate(values.begin() + i * width, values.begin() + (i + 1) * width, 0.0);
      };
      const double compensation = sum(block.compensation_heads, parts) + sum(block.compensation_mlps, n_layers());
      const double whole = block.direct_effect[i] + compensation + block.compensation_layer_norm[i];
      EXPECT_NEAR(whole, block.delta_logit_diff[i], kTolerance) << block.variant[i] << " at " << block.position[i];
      largest = std::max(largest, std::abs(block.direct_effect[i]));
      largest_compensation = std::max(largest_compensation, std::abs(compensation));
      if (block.variant[i] < 0) {
        EXPECT_EQ(block.direct_effect[i], 0);
        EXPECT_EQ(block.direct_contribution[i], 0);
      } else if (block.variant[i] < static_cast<int32_t>(parts)) {
        // Zeroed: what it wrote is gone.
        EXPECT_NEAR(block.direct_effect[i], -block.direct_contribution[i], kTolerance);
      }
      // In the last layer nothing but the MLP and the LayerNorm comes behind.
      if (block.variant[i] == static_cast<int32_t>(parts) - 1) {
        EXPECT_EQ(sum(block.compensation_heads, parts), 0);
      }
    }
  }
  EXPECT_EQ(n_rows, 2 * (scan.variants.size() + 1));
  EXPECT_GT(largest, 0.1);
  EXPECT_GT(largest_compensation, 0.1);
}

TEST_F(EditsTest, EffectsAndPatchesAreTheSameHoweverTheBatchIsCut) {
  auto small = Engine::Load(
      {.model_dir = DEMO_MODEL, .device = "cpu", .precision = Precision::kFloat64, .max_packed_tokens = 40});
  ASSERT_TRUE(small.ok()) << small.status();
  Scan scan = Reference();
  scan.effects = scan.compensation = true;
  scan.donor_token_ids = Ids("Paris is the capital of");
  scan.variants = EverySite(Patch());
  for (Variant& variant : EverySite({.site = {}, .positions = {3, 4}})) scan.variants.push_back(std::move(variant));
  std::vector<ReadoutBlock> cut;
  const auto stats = (*small)->Run({scan}, [&](ReadoutBlock block) {
    cut.push_back(std::move(block));
    return absl::OkStatus();
  });
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_GT(stats->forward_passes, 10);
  const auto whole = Run({scan});
  for (const auto column : {&ReadoutBlock::delta_logit_diff, &ReadoutBlock::kl_from_donor, &ReadoutBlock::direct_effect,
                            &ReadoutBlock::direct_effect_live, &ReadoutBlock::direct_contribution,
                            &ReadoutBlock::compensation_layer_norm}) {
    const auto expected = Column(whole, column);
    const auto found = Column(cut, column);
    ASSERT_EQ(found.size(), 2 * (scan.variants.size() + 2));
    for (const auto& [key, value] : expected) EXPECT_NEAR(found.at(key), value, kTolerance);
  }
}

TEST_F(EditsTest, AnAnswerSetIsReducedAsAsked) {
  Scan scan = Reference();
  scan.answers = {{.targets = {7, 100, 2000}, .contrasts = {5}}};
  std::vector<Scan> scans(5, scan);
  scans[1].reduction = Reduction::kLogSumExp;
  for (int i = 0; i < 3; ++i) scans[2 + i].answers[0].targets = {scan.answers[0].targets[i]};
  std::vector<double> logit(5), logprob(5);
  std::vector<int32_t> rank(5);
  for (const ReadoutBlock& block : Run(scans)) {
    logit[block.scan] = block.target_logit[1];
    logprob[block.scan] = block.target_logprob[1];
    rank[block.scan] = block.target_rank[1];
  }
  EXPECT_NEAR(logit[0], (logit[2] + logit[3] + logit[4]) / 3, kTolerance);
  EXPECT_NEAR(logprob[0], (logprob[2] + logprob[3] + logprob[4]) / 3, kTolerance);
  EXPECT_NEAR(std::exp(logit[1]), std::exp(logit[2]) + std::exp(logit[3]) + std::exp(logit[4]), kTolerance);
  EXPECT_NEAR(std::exp(logprob[1]), std::exp(logprob[2]) + std::exp(logprob[3]) + std::exp(logprob[4]), kTolerance);
  EXPECT_EQ(rank[0], std::min({rank[2], rank[3], rank[4]}));
}

// Its log-prob once came out above 0 by a rounding, which the contract excludes.
TEST_F(EditsTest, TheWholeVocabularyIsCertain) {
  Scan scan = Reference();
  scan.reduction = Reduction::kLogSumExp;
  scan.answers = {{}};
  scan.answers[0].targets.resize(engine_->Describe().vocab_size);
  std::iota(scan.answers[0].targets.begin(), scan.answers[0].targets.end(), 0);
  scan.variants = EverySite({});
  for (const auto& [key, logprob] : Column(Run({scan}), &ReadoutBlock::target_logprob)) {
    EXPECT_LE(logprob, 0);
    EXPECT_NEAR(logprob, 0, kTolerance);
  }
}

TEST_F(EditsTest, EffectsHaveTheSameBitsWhateverElseIsInTheBatch) {
  Scan scan = Reference();
  scan.read_positions = {scan.read_positions.back()};
  scan.effects = scan.compensation = true;
  scan.variants = EverySite({});
  Scan other = scan;
  other.token_ids = Ids("The war lasted from the year 17");
  other.read_positions = {0, 1, 3, 4};
  other.variants.resize(5);
  const auto alone = Run({scan});
  std::vector<ReadoutBlock> beside;
  for (ReadoutBlock& block : Run({other, scan, other})) {
    if (block.scan == 1) beside.push_back(std::move(block));
  }
  for (const auto column :
       {&ReadoutBlock::direct_contribution, &ReadoutBlock::direct_effect, &ReadoutBlock::direct_effect_live,
        &ReadoutBlock::compensation_heads, &ReadoutBlock::compensation_mlps, &ReadoutBlock::compensation_layer_norm}) {
    EXPECT_EQ(Wide(beside, column), Wide(alone, column));
  }
}

}  // namespace
}  // namespace ablate
