#include "client/cpp/cli/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/cpp/cli/number.h"
#include "tests/client/fixtures.h"

namespace ablate::cli {
namespace {

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const Column& column : Columns()) names.emplace_back(column.name);
  return names;
}

// The names are a promise to every script that reads a result: docs/design.md, "What is measured".
TEST(ColumnsTest, HaveTheDesignsNamesInItsOrder) {
  EXPECT_THAT(Names(),
              ::testing::ElementsAre(
                  "prompt_index", "replacement", "variant", "variant_name", "layer", "head", "edit_position",
                  "position", "target_logit", "contrast_logit", "target_logprob", "contrast_logprob", "target_prob",
                  "prob_diff", "logit_diff", "delta_target_logit", "delta_contrast_logit", "delta_target_logprob",
                  "delta_contrast_logprob", "delta_target_prob", "delta_prob_diff", "delta_logit_diff", "target_rank",
                  "target_is_top1", "top1_id", "top1_token", "top1_preserved", "kl_divergence", "kl_to_clean",
                  "entropy", "normalized", "interaction", "direct_contribution", "direct_effect", "direct_effect_live",
                  "total_effect", "indirect_effect", "self_repair"));
}

// A column that the contract gains must not be lost on its way into the files.
TEST(ColumnsTest, CoverEveryColumnOfTheContract) {
  const std::vector<std::string> names = Names();
  const std::set<std::string> known(names.begin(), names.end());
  const auto* descriptor = ablation::v1::RowBlock::descriptor();
  for (int f = 0; f < descriptor->field_count(); ++f) {
    const std::string& name = descriptor->field(f)->name();
    if (name == "tokens" || name == "top_k_id" || name == "top_k_logprob") continue;
    EXPECT_EQ(known.count(name), 1U) << name;
  }
}

class CellTest : public ::testing::Test {
 protected:
  // Of row `row` of the manifest's rows in the order of `ids`.
  Cell Value(const std::string& name, const std::vector<testing::RowId>& ids, int row) const {
    const Legend legend(std::make_shared<const client::ScanManifest>(manifest_));
    const auto block = std::make_shared<const Block>(testing::MakeBlock(manifest_, ids));
    for (const Column& column : Columns()) {
      if (column.name == name) return column.value(column, legend, Row{block, row});
    }
    return Cell(std::string("no such column"));
  }
  client::ScanManifest manifest_ = testing::MakeManifest();
};

TEST_F(CellTest, TakesTheRowsOwnEntry) {
  const std::vector<testing::RowId> ids = {{0, 3}, {0, -1}};
  EXPECT_EQ(Value("replacement", ids, 0), Cell(std::string("zero")));
  EXPECT_EQ(Value("variant", ids, 0), Cell(std::string("L1H1")));
  EXPECT_EQ(Value("variant_name", ids, 0), Cell());
  EXPECT_EQ(Value("layer", ids, 0), Cell(int64_t{1}));
  EXPECT_EQ(Value("head", ids, 0), Cell(int64_t{1}));
  EXPECT_EQ(Value("edit_position", ids, 0), Cell());
  EXPECT_EQ(Value("replacement", ids, 1), Cell());
  EXPECT_EQ(Value("variant", ids, 1), Cell(std::string("baseline")));
  EXPECT_EQ(Value("layer", ids, 1), Cell());
  EXPECT_EQ(Value("head", ids, 1), Cell());
  EXPECT_EQ(Value("delta_target_logprob", ids, 0), Cell(static_cast<double>(testing::DeltaTargetLogprob(0, 3))));
  EXPECT_EQ(Value("target_is_top1", ids, 1), Cell(true));
  EXPECT_EQ(Value("top1_token", ids, 1), Cell(std::string(" Germany")));
  EXPECT_EQ(Value("kl_to_clean", ids, 0), Cell());
}

TEST_F(CellTest, TellsReplacementsPairsAndSweptPositions) {
  testing::AddReplacements(&manifest_);
  testing::SweepPositions(&manifest_);
  manifest_.variants[2].set_name("movers");
  const std::vector<testing::RowId> ids = {{0, -2}, {0, 2, 1, 0}, {0, 2, 2, 1}};
  EXPECT_EQ(Value("variant", ids, 0), Cell(std::string("corrupted")));
  EXPECT_EQ(Value("replacement", ids, 0), Cell());
  EXPECT_EQ(Value("edit_position", ids, 0), Cell());
  EXPECT_EQ(Value("replacement", ids, 1), Cell(std::string("scale")));
  EXPECT_EQ(Value("edit_position", ids, 1), Cell(int64_t{0}));
  EXPECT_EQ(Value("variant_name", ids, 1), Cell(std::string("movers")));
  EXPECT_EQ(Value("variant", ids, 1), Cell(std::string("L1H0")));
  EXPECT_EQ(Value("replacement", ids, 2), Cell(std::string("resample")));
  EXPECT_EQ(Value("edit_position", ids, 2), Cell(int64_t{1}));
}

TEST(LegendTest, TellsReplacementsOfOneKindApart) {
  auto manifest = testing::MakeManifest();
  auto& head = manifest.head;
  head.add_replacements()->mutable_scale()->set_factor(0.5F);
  head.add_replacements()->mutable_scale()->set_factor(-2);
  head.add_replacements()->mutable_resample()->set_direction(ablation::v1::DIRECTION_NOISING);
  head.add_replacements()->mutable_resample()->set_direction(ablation::v1::DIRECTION_DENOISING);
  head.add_replacements()->mutable_constant()->mutable_vector()->add_values(1);
  head.add_replacements()->mutable_constant()->mutable_vector()->add_values(2);
  head.add_replacements()->mutable_zero_keep_value_bias();
  const Legend legend(std::make_shared<const client::ScanManifest>(manifest));
  std::vector<std::string> labels;
  for (int r = 0; r < legend.n_replacements(); ++r) labels.push_back(legend.Replacement(r));
  EXPECT_THAT(labels,
              ::testing::ElementsAre("zero", "scale(0.5)", "scale(-2)", "resample(noising)", "resample(denoising)",
                                     "constant(vector)", "constant(vector)#2", "zero_keep_value_bias"));
  EXPECT_EQ(legend.Replacement(-1), "");
}

TEST(RoundTripTest, IsTheShortestTextOfTheSameBits) {
  constexpr auto kF32 = ablation::v1::PRECISION_FLOAT32;
  constexpr auto kF64 = ablation::v1::PRECISION_FLOAT64;
  EXPECT_EQ(RoundTrip(0.1F, kF32), "0.1");
  EXPECT_EQ(RoundTrip(0.1F, kF64), "0.10000000149011612");
  EXPECT_EQ(RoundTrip(0.1, kF64), "0.1");
  EXPECT_EQ(RoundTrip(0, kF32), "0");
  for (float value : {-1.0F / 3, 1e-30F, 16777217.0F, std::numeric_limits<float>::denorm_min(), -0.0F}) {
    const float back = std::strtof(RoundTrip(value, kF32).c_str(), nullptr);
    EXPECT_EQ(back, value);
    EXPECT_EQ(std::signbit(back), std::signbit(value));
  }
}

}  // namespace
}  // namespace ablate::cli
