#include "client/cpp/cli/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
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
  EXPECT_THAT(Names(), ::testing::ElementsAre("prompt_index", "variant", "layer", "head", "position", "target_logit",
                                              "contrast_logit", "target_logprob", "contrast_logprob", "target_prob",
                                              "prob_diff", "logit_diff", "delta_target_logit", "delta_contrast_logit",
                                              "delta_target_logprob", "delta_contrast_logprob", "delta_target_prob",
                                              "delta_prob_diff", "delta_logit_diff", "target_rank", "target_is_top1",
                                              "top1_id", "top1_token", "top1_preserved", "kl_divergence", "entropy"));
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

TEST(ColumnsTest, TakeTheRowsOwnEntry) {
  const auto manifest = testing::MakeManifest();
  const auto block = std::make_shared<const Block>(testing::MakeBlock({{0, 3}, {0, -1}}));
  const auto value = [&](const std::string& name, int row) {
    for (const Column& column : Columns()) {
      if (column.name == name) return column.value(column, manifest, Row{block, row});
    }
    return Cell(std::string("no such column"));
  };
  EXPECT_EQ(value("variant", 0), Cell(std::string("L1H1")));
  EXPECT_EQ(value("layer", 0), Cell(int64_t{1}));
  EXPECT_EQ(value("head", 0), Cell(int64_t{1}));
  EXPECT_EQ(value("variant", 1), Cell(std::string("baseline")));
  EXPECT_EQ(value("layer", 1), Cell());
  EXPECT_EQ(value("head", 1), Cell());
  EXPECT_EQ(value("delta_target_logprob", 0), Cell(static_cast<double>(testing::DeltaTargetLogprob(0, 3))));
  EXPECT_EQ(value("target_is_top1", 1), Cell(true));
  EXPECT_EQ(value("top1_token", 1), Cell(std::string(" Germany")));
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
