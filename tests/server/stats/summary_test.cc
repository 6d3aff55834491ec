#include "server/stats/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "server/stats/random.h"

namespace ablate::stats {
namespace {

using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Prompts and entries whose spans a SummaryInput can point to.
struct Data {
  Data(size_t n_prompts, size_t n_entries) : templates(n_prompts), delta(n_prompts * n_entries) {
    Random random(1, Stream::kSplit);
    for (double& value : delta) value = static_cast<double>(random.Below(1000)) / 1000.0 - 0.4;
    input.templates = templates;
    input.n_entries = static_cast<int32_t>(n_entries);
    input.delta = delta;
  }
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;

  std::vector<std::string> templates;
  std::vector<double> delta;
  SummaryInput input;
};

std::string ErrorOf(const SummaryInput& input, const SummaryOptions& options = {}) {
  const auto table = Summarize(input, options);
  EXPECT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(table.status().message());
}

TEST(SummarizeTest, EveryColumnHasEveryEntry) {
  Data data(24, 6);
  data.input.n_families = 2;
  const auto table = Summarize(data.input, {});
  ASSERT_TRUE(table.ok()) << table.status();
  for (const auto* column :
       {&table->mean, &table->std, &table->sem, &table->ci_low, &table->ci_high, &table->sign_share, &table->top1_share,
        &table->p, &table->p_fwer, &table->q_bh, &table->q_by, &table->normalized, &table->faithfulness}) {
    EXPECT_EQ(column->size(), 6u);
  }
  for (size_t e = 0; e < 6; ++e) {
    EXPECT_LT(table->ci_low[e], table->mean[e]);
    EXPECT_GT(table->ci_high[e], table->mean[e]);
    EXPECT_LE(table->p[e], table->q_bh[e]);
    EXPECT_LE(table->q_bh[e], table->q_by[e]);
    EXPECT_LE(table->p[e], table->p_fwer[e]);
  }
  ASSERT_EQ(table->rank_agreement.size(), 1u);
  EXPECT_EQ(table->sign_flips, 10'000);
}

// Families are replacements of the same data: whether two are asked for at once changes neither.
TEST(SummarizeTest, AFamilyIsItsOwn) {
  Data data(24, 6);
  std::vector<double> second;
  for (size_t p = 0; p < 24; ++p) second.insert(second.end(), &data.delta[p * 6 + 3], &data.delta[p * 6 + 3] + 3);
  data.input.n_families = 2;
  const auto both = Summarize(data.input, {.seed = 9});
  data.input.n_families = 1;
  data.input.n_entries = 3;
  data.input.delta = second;
  const auto alone = Summarize(data.input, {.seed = 9});
  ASSERT_TRUE(both.ok() && alone.ok());
  for (size_t e = 0; e < 3; ++e) {
    EXPECT_EQ(both->p_fwer[3 + e], alone->p_fwer[e]);
    EXPECT_EQ(both->q_by[3 + e], alone->q_by[e]);
    EXPECT_EQ(both->ci_low[3 + e], alone->ci_low[e]);
  }
}

TEST(SummarizeTest, ClustersWeighAlike) {
  Data data(3, 1);
  data.templates = {"a", "a", "b"};
  data.delta = {1.0, 3.0, 8.0};
  const auto table = Summarize(data.input, {});
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->n_clusters, 2);
  EXPECT_EQ(table->n_prompts, 3);
  EXPECT_FALSE(table->assumes_iid);
  EXPECT_DOUBLE_EQ(table->mean[0], 5.0);
}

TEST(SummarizeTest, AnEntryWithoutValuesIsNan) {
  Data data(21, 2);
  for (size_t p = 0; p < 21; ++p) data.delta[2 * p + 1] = kNan;
  const auto table = Summarize(data.input, {});
  ASSERT_TRUE(table.ok());
  for (const auto* column : {&table->mean, &table->ci_low, &table->sign_share, &table->p_fwer, &table->q_bh}) {
    EXPECT_TRUE(std::isfinite((*column)[0]));
    EXPECT_TRUE(std::isnan((*column)[1]));
  }
}

TEST(SummarizeTest, ErrorsNameWhatDoesNotFit) {
  Data data(4, 6);
  SummaryInput input = data.input;
  input.delta.remove_suffix(1);
  EXPECT_EQ(ErrorOf(input), "delta has 23 values, expected 24");
  input = data.input;
  input.n_families = 4;
  EXPECT_EQ(ErrorOf(input), "n_families is 4, expected a divisor of 6");
  input = data.input;
  input.templates = {};
  EXPECT_THAT(ErrorOf(input), HasSubstr("templates is empty"));
  input = data.input;
  input.n_entries = 0;
  EXPECT_THAT(ErrorOf(input), HasSubstr("n_entries is 0"));
  const std::vector<uint8_t> flags(5);
  input = data.input;
  input.top1_preserved = flags;
  EXPECT_THAT(ErrorOf(input), HasSubstr("top1_preserved has 5 values, expected 24"));
  const std::vector<double> gap(8, 1.0);
  const std::vector<EntryRatios> ratios(6, {.gap = 2});
  input = data.input;
  input.gap = gap;
  input.ratios = ratios;
  EXPECT_EQ(ErrorOf(input), "ratios[0].gap is 2, expected -1 to 1");
  data.delta[7] = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ErrorOf(data.input), "delta[7] is inf, expected a finite number");
}

TEST(SummarizeTest, ErrorsNameTheOption) {
  const Data data(4, 2);
  EXPECT_EQ(ErrorOf(data.input, {.bootstrap_resamples = 99}), "bootstrap_resamples is 99, expected 100 to 100000");
  EXPECT_EQ(ErrorOf(data.input, {.sign_flips = 9'999}), "sign_flips is 9999, expected 10000 to 1000000");
  EXPECT_THAT(ErrorOf(data.input, {.min_effect = -1.0}), HasSubstr("min_effect is -1"));
  EXPECT_THAT(ErrorOf(data.input, {.min_effect = kNan}), HasSubstr("min_effect is nan"));
  EXPECT_THAT(ErrorOf(data.input, {.min_denominator = -0.1}), HasSubstr("min_denominator is -0.1"));
  EXPECT_THAT(ErrorOf(data.input, {.min_test_clusters = 1}), HasSubstr("min_test_clusters is 1"));
}

TEST(SummarizeTest, StopsWhenTold) {
  const Data data(30, 2);
  const auto table = Summarize(data.input, {.go_on = [] { return absl::CancelledError("gone"); }});
  EXPECT_EQ(table.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace ablate::stats
