// A request's statistics: what goes in from which rows, and what comes out in which message. The figures themselves
// have their tests in tests/server/stats.
#include "server/summary.h"

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/stats/rank.h"
#include "tests/server/row_map.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::DoubleNear;
using ::testing::SizeIs;

// One entry.
struct Line {
  int replacement = 0, variant = 0, edit_position = -100, read_index = 0;
  double mean = 0, std = 0, sem = 0, ci_low = 0, ci_high = 0, sign_share = 0, top1_share = 0;
  double p_fwer = 0, q_bh = 0, normalized = 0, faithfulness = 0;
  bool below_floor = false, selected_in_sample = false;
};

struct Summary {
  ScanResult result;
  pb::SummaryHead head;
  std::vector<Line> lines;
};

Summary Summarized(const pb::AblateRequest& request, FakeBlocks blocks = {}) {
  TestServer server;
  server.Serve(100'000);
  server.device().SetBlocks(blocks);
  Summary summary;
  summary.result = RunScan(server.stub(), request);
  EXPECT_TRUE(summary.result.status.ok()) << summary.result.status.error_message();
  int heads = 0;
  for (const auto& response : summary.result.responses) {
    if (response.has_summary_head()) {
      ++heads;
      summary.head = response.summary_head();
    }
    EXPECT_FALSE(heads > 0 && response.has_row_block()) << "the summary comes behind the last row";
    if (!response.has_summary_block()) continue;
    EXPECT_EQ(heads, 1);
    const pb::SummaryBlock& block = response.summary_block();
    for (int i = 0; i < block.variant_size(); ++i) {
      summary.lines.push_back({.replacement = block.replacement(i),
                               .variant = block.variant(i),
                               .edit_position = block.edit_position().empty() ? -100 : block.edit_position(i),
                               .read_index = block.read_index(i),
                               .mean = block.mean(i),
                               .std = block.std(i),
                               .sem = block.sem(i),
                               .ci_low = block.ci_low(i),
                               .ci_high = block.ci_high(i),
                               .sign_share = block.sign_share(i),
                               .top1_share = block.top1_share(i),
                               .p_fwer = block.p_fwer(i),
                               .q_bh = block.q_bh(i),
                               .normalized = block.normalized(i),
                               .faithfulness = block.faithfulness(i),
                               .below_floor = block.below_floor(i),
                               .selected_in_sample = block.selected_in_sample(i)});
    }
  }
  EXPECT_EQ(heads, 1);
  return summary;
}

// Mean over the prompts of what `column` says in the rows of a line.
double MeanOf(const std::map<RowKey, RowColumns>& rows, int n_prompts, RowKey key, const std::string& column) {
  double sum = 0;
  for (key.prompt = 0; key.prompt < n_prompts; ++key.prompt) sum += rows.at(key).at(column);
  return sum / n_prompts;
}

TEST(SummaryTest, EveryEntryIsTheMeanOfItsRows) {
  for (const FakeBlocks blocks : {FakeBlocks{}, FakeBlocks{.rows = 2, .backwards = true}}) {
    pb::AblateRequest request = SummarizedPrompts(25);
    request.mutable_readout()->set_all_positions(true);
    request.mutable_edit_positions()->set_each(true);
    request.add_replacements()->mutable_zero();
    request.add_replacements()->mutable_scale()->set_factor(3);
    const Summary summary = Summarized(request, blocks);
    const auto rows = RowsOf(summary.result);
    ASSERT_THAT(summary.lines, SizeIs(2 * 6 * 3 * 3));
    std::set<std::vector<int>> seen;
    for (const Line& line : summary.lines) {
      EXPECT_TRUE(seen.insert({line.replacement, line.variant, line.edit_position, line.read_index}).second);
      const RowKey key = {.replacement = line.replacement,
                          .variant = line.variant,
                          .edit_position = line.edit_position,
                          .position = line.read_index};
      // Sums of 25 exact numbers; what is left is the rounding of a division or two.
      EXPECT_THAT(line.mean, DoubleNear(MeanOf(rows, 25, key, "delta_logit_diff"), 1e-12));
      EXPECT_THAT(line.top1_share, DoubleNear(MeanOf(rows, 25, key, "top1_preserved"), 1e-12));
      EXPECT_TRUE(std::isnan(line.normalized));
      EXPECT_TRUE(std::isnan(line.faithfulness));
      EXPECT_FALSE(line.below_floor);
      EXPECT_FALSE(line.selected_in_sample);
      // A position is read before it is edited: nothing varies there.
      if (line.read_index < line.edit_position) {
        EXPECT_EQ(line.mean, 0);
        continue;
      }
      EXPECT_LT(line.ci_low, line.mean);
      EXPECT_GT(line.ci_high, line.mean);
      EXPECT_GT(line.p_fwer, 0);
      EXPECT_LE(line.p_fwer, 1);
      EXPECT_LE(line.q_bh, 1);
      EXPECT_THAT(line.sem, DoubleNear(line.std / 5, 1e-12));
    }
    EXPECT_EQ(summary.head.n_clusters(), 25);
    EXPECT_EQ(summary.head.n_prompts(), 25);
    EXPECT_TRUE(summary.head.assumes_iid());
    EXPECT_EQ(summary.head.bootstrap_resamples(), 2000);
    EXPECT_EQ(summary.head.sign_flips(), 10'000);
    ASSERT_THAT(summary.head.rank_agreement(), SizeIs(1));
    EXPECT_EQ(summary.head.rank_agreement(0).first(), 0);
    EXPECT_EQ(summary.head.rank_agreement(0).second(), 1);
    // Zeroing takes a site away, tripling puts two of it in: the order is turned round.
    EXPECT_THAT(summary.head.rank_agreement(0).spearman(), DoubleNear(-1, 1e-9));
  }
}

// What lowers the metric under noising raises it under denoising.
TEST(SummaryTest, RanksAgreeAcrossDirectionsWhereTheOrderIsTheSame) {
  pb::AblateRequest request = SummarizedPrompts(25);
  for (int i = 0; i < request.prompts_size(); ++i) {
    for (const int32_t id : {7, 11 + i, 5}) {
      request.mutable_prompts(i)->mutable_corrupted_token_ids()->add_ids(id);
    }
  }
  request.add_replacements()->mutable_resample()->set_direction(pb::DIRECTION_NOISING);
  request.add_replacements()->mutable_resample()->set_direction(pb::DIRECTION_DENOISING);
  const Summary summary = Summarized(request);
  std::vector<double> means[2];
  for (const Line& line : summary.lines) means[line.replacement].push_back(line.mean);
  ASSERT_THAT(summary.head.rank_agreement(), SizeIs(1));
  const double raw = stats::Spearman(means[0], means[1]);
  EXPECT_NE(raw, 0);
  EXPECT_EQ(summary.head.rank_agreement(0).spearman(), -raw);
}

TEST(SummaryTest, OptionsAndTemplatesArePassedOn) {
  pb::AblateRequest request = SummarizedPrompts(24);
  for (int i = 0; i < 24; ++i) request.mutable_prompts(i)->set_template_(std::to_string(i % 6));
  request.mutable_summary()->set_seed(7);
  request.mutable_summary()->set_bootstrap_resamples(150);
  const Summary summary = Summarized(request);
  EXPECT_EQ(summary.head.n_clusters(), 6);
  EXPECT_EQ(summary.head.n_prompts(), 24);
  EXPECT_FALSE(summary.head.assumes_iid());
  EXPECT_EQ(summary.head.seed(), 7U);
  EXPECT_EQ(summary.head.bootstrap_resamples(), 150);
  EXPECT_EQ(summary.head.sign_flips(), 0) << "under 20 clusters none are made";
  for (const Line& line : summary.lines) {
    EXPECT_TRUE(std::isnan(line.p_fwer));
    EXPECT_TRUE(std::isnan(line.q_bh));
    EXPECT_EQ(line.edit_position, -100) << "absent where positions are not swept over";
  }
}

TEST(SummaryTest, PairsAreTestedWithoutFlips) {
  pb::AblateRequest request = SummarizedPrompts(22);
  request.mutable_sweep()->mutable_pairs();
  const Summary summary = Summarized(request);
  EXPECT_THAT(summary.lines, SizeIs(21));
  EXPECT_EQ(summary.head.sign_flips(), 0);
  for (const Line& line : summary.lines) EXPECT_GE(line.p_fwer, 0);
}

TEST(SummaryTest, NormalizedIsARatioOfMeans) {
  pb::AblateRequest request = SummarizedPrompts(8);
  for (int i = 0; i < 8; ++i) {
    for (const int32_t id : {5, 255, (i * 101) % 256}) {
      request.mutable_prompts(i)->mutable_corrupted_token_ids()->add_ids(id);
    }
  }
  request.add_replacements()->mutable_resample()->set_direction(pb::DIRECTION_NOISING);
  request.add_replacements()->mutable_resample()->set_direction(pb::DIRECTION_DENOISING);
  const Summary summary = Summarized(request);
  const auto rows = RowsOf(summary.result);
  const double clean = MeanOf(rows, 8, CleanRow(0, 2), "logit_diff");
  const double corrupted = MeanOf(rows, 8, CorruptedRow(0, 2), "logit_diff");
  ASSERT_THAT(summary.lines, SizeIs(12));
  for (const Line& line : summary.lines) {
    const RowKey key = {.replacement = line.replacement, .variant = line.variant, .position = 2};
    const double patched = MeanOf(rows, 8, key, "logit_diff");
    EXPECT_THAT(line.normalized, DoubleNear((patched - corrupted) / (clean - corrupted), 1e-12));
  }
}

TEST(SummaryTest, FaithfulnessOfWhatIsKept) {
  pb::AblateRequest request = SummarizedPrompts(6);
  auto& all_but = *request.mutable_sweep()->mutable_all_but();
  all_but.add_keep()->add_sites("L0H*");
  all_but.set_random_sets(2);
  const Summary summary = Summarized(request);
  const auto rows = RowsOf(summary.result);
  ASSERT_THAT(summary.lines, SizeIs(4));
  const double baseline = MeanOf(rows, 6, CleanRow(0, 2), "logit_diff");
  const double none = MeanOf(rows, 6, {.variant = 0, .position = 2}, "logit_diff");
  for (const Line& line : summary.lines) {
    const double kept = MeanOf(rows, 6, {.variant = line.variant, .position = 2}, "logit_diff");
    EXPECT_THAT(line.faithfulness, DoubleNear((kept - none) / (baseline - none), 1e-12));
  }
  EXPECT_EQ(summary.lines[0].faithfulness, 0);
}

TEST(SummaryTest, SitesChosenOnTheSamePromptsAreFlagged) {
  pb::AblateRequest request = SummarizedPrompts(4);
  request.mutable_sweep()->mutable_cumulative();
  const Summary summary = Summarized(request);
  EXPECT_EQ(summary.head.n_prompts(), 4);
  ASSERT_THAT(summary.lines, SizeIs(6));
  for (const Line& line : summary.lines) EXPECT_TRUE(line.selected_in_sample);
}

TEST(SummaryTest, EditPositionsCountFromTheEndWherePromptsDifferInLength) {
  pb::AblateRequest request = SummarizedPrompts(3);
  request.mutable_prompts(1)->mutable_token_ids()->add_ids(9);
  request.mutable_edit_positions()->set_each(true);
  request.mutable_edit_positions()->mutable_positions()->add_positions(-1);
  request.mutable_edit_positions()->mutable_positions()->add_positions(-2);
  const Summary summary = Summarized(request);
  ASSERT_THAT(summary.lines, SizeIs(12));
  for (const Line& line : summary.lines) EXPECT_TRUE(line.edit_position == -1 || line.edit_position == -2);
}

}  // namespace
}  // namespace ablate
