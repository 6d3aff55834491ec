// What a request costs: reads beside packed tokens, and a sweep whose sites are not known yet.
#include "server/price.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/scan_plan.h"
#include "gtest/gtest.h"
#include "tests/server/prepare_call.h"

namespace ablate {
namespace {

TEST(PriceTest, AReadIsItsShareOfALayer) {
  EngineInfo gpt2;
  gpt2.d_model = 768;
  gpt2.d_mlp = 3072;
  gpt2.vocab_size = 50257;
  EXPECT_EQ(ReadCost(gpt2, 0), 0);
  EXPECT_EQ(ReadCost(gpt2, 1), 6) << "5.45, rounded up";
  EXPECT_EQ(ReadCost(gpt2, 10'000), 54'533) << "50257 / (12 x 768) each, rounded up once";
}

// One such request was admitted at a fraction of what it takes: variants of one token, all of whose positions are read.
TEST(PriceTest, ManyReadsOfFewTokensArePriced) {
  const std::string text =
      "prompts { text: 'abcdefgh' targets { id: 1 } } edit_positions { positions { positions: -1 } }";
  const int64_t last = MustPrepare(text).cost;
  EXPECT_EQ(MustPrepare(text + "readout { all_positions: true }").cost,
            last - FakeEngine::ReadCost(7) + FakeEngine::ReadCost(7 * 8));
}

// Prices what the planner plans, which depends on the layers that are edited.
class PlanningEngine final : public FakeEngine {
 public:
  explicit PlanningEngine(int64_t max_packed_tokens = 1000)
      : FakeEngine(std::make_shared<FakeDevice>(), max_packed_tokens) {}
  absl::StatusOr<int64_t> Cost(const Scan& scan) const override {
    const auto planner = PlannerOf({&scan, 1}, {kLayers, Describe().max_packed_tokens});
    if (!planner.ok()) return planner.status();
    return planner->cost();
  }
};

int64_t CostOfDearestOrder(const ablation::v1::AblateRequest& request, const PrepareContext& context) {
  std::vector<Site> order = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}};
  int64_t dearest = 0;
  do {
    const auto prepared = Prepare(request, context, order);
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    if (prepared.ok()) dearest = std::max(dearest, prepared->cost);
  } while (std::next_permutation(order.begin(), order.end()));
  return dearest;
}

TEST(PriceTest, WhatFollowsIsPricedAtTheDearestOrder) {
  const PlanningEngine engine;
  const PrepareContext context = {.engine = &engine, .limits = {}, .means = nullptr, .go_on = {}};
  for (const char* sweep : {"pairs { strongest: 2 }", "pairs { strongest: 4 }", "cumulative { steps: 2 }",
                            "cumulative { steps: 2 backwards: true }", "cumulative {}"}) {
    SCOPED_TRACE(sweep);
    const auto request = RequestOf(absl::StrCat(kPrompt, "sweep { ", sweep, " }"));
    const auto first = Prepare(request, context);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(first->follow_up.cost, CostOfDearestOrder(request, context));
  }
}

// Such a request was refused when its first sweep had run.
TEST(PriceTest, AnOrderIsNotRefusedWhereChunksMakeItDearer) {
  const PlanningEngine engine(6);
  PrepareContext context = {.engine = &engine, .limits = {}, .means = nullptr, .go_on = {}};
  const auto request = RequestOf(absl::StrCat(kPrompt, "sweep { cumulative {} }"));
  const auto first = Prepare(request, context);
  ASSERT_TRUE(first.ok()) << first.status();
  context.limits.cost = first->follow_up.cost;
  EXPECT_GT(CostOfDearestOrder(request, context), context.limits.cost) << "else this tests nothing";
  --context.limits.cost;
  EXPECT_EQ(ReasonOf(Prepare(request, context).status()), "REQUEST_TOO_COSTLY");
}

}  // namespace
}  // namespace ablate
