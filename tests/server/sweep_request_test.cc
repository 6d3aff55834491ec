#include "server/sweep_request.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/prepare.h"
#include "tests/server/prepare_call.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr ModelShape kShape{.n_layers = 2, .n_heads = 3};

std::vector<SiteSet> Sets(const std::string& sweep, const std::vector<Site>& order = {}) {
  const auto sets = SweepSets(RequestOf(absl::StrCat("sweep { ", sweep, " }")), kShape, order);
  EXPECT_TRUE(sets.ok()) << sweep << ": " << sets.status();
  return sets.value_or(std::vector<SiteSet>());
}

std::vector<std::string> Labels(const std::string& sweep, const std::vector<Site>& order = {}) {
  std::vector<std::string> labels;
  for (const SiteSet& set : Sets(sweep, order)) labels.push_back(Label(set.sites, kShape));
  return labels;
}

TEST(SweepRequestTest, EverySweep) {
  EXPECT_THAT(*SweepSets({}, kShape, {}), SizeIs(6));
  EXPECT_THAT(Labels("heads {} filter { layers: 1 heads: [2, 0] }"), ElementsAre("L1H0", "L1H2"));
  EXPECT_THAT(Labels("layers {}"), ElementsAre("L0H*", "L1H*"));
  EXPECT_THAT(Labels("layers {} filter { sites: 'L*H0' }"), ElementsAre("L0H0", "L1H0"));
  EXPECT_THAT(Labels("pairs {} filter { sites: 'L*H1' }"), ElementsAre("L0H1", "L1H1", "L0H1+L1H1"));
  EXPECT_THAT(Labels("groups { groups { sites: ['a1.h2', 'L0H*', '1.2'] } groups { sites: '1.0' } }"),
              ElementsAre("L0H*+L1H2", "L1H0"));
  EXPECT_THAT(Labels("all_but { keep { sites: 'L1H*' } } filter { heads: [0, 1] }"),
              ElementsAre("L0H0+L0H1+L1H0+L1H1", "L0H0+L0H1"));
  EXPECT_THAT(Labels("cumulative { order: ['L1H0', 'L0H2', 'L0H0'] }"),
              ElementsAre("L1H0", "L0H2+L1H0", "L0H0+L0H2+L1H0"));
  EXPECT_THAT(Labels("cumulative { order: ['L1H0', 'L0H2', 'L0H0'] backwards: true steps: 2 }"),
              ElementsAre("L0H0", "L0H0+L0H2"));
}

TEST(SweepRequestTest, AGroupIsCalledByItsNameOrItsSites) {
  const auto sets = Sets("groups { groups { name: 'induction' sites: 'L1H1' } groups { sites: ['L1H1', 'L0H0'] } }");
  EXPECT_EQ(sets.at(0).name, "induction");
  EXPECT_EQ(sets.at(1).name, "L0H0+L1H1");
}

TEST(SweepRequestTest, AllButOfAFilterEditsItsSitesOnly) {
  const auto sets = Sets("all_but { keep { sites: 'L0H1' } random_sets: 2 seed: 5 } filter { layers: 0 }");
  ASSERT_THAT(sets, SizeIs(4));
  EXPECT_EQ(Label(sets[0].sites, kShape), "L0H*");
  EXPECT_EQ(Label(sets[1].sites, kShape), "L0H0+L0H2");
  EXPECT_TRUE(sets[3].is_random);
  for (const SiteSet& set : sets) {
    for (const Site& site : set.sites) EXPECT_EQ(site.layer, 0);
  }
}

TEST(SweepRequestTest, AnOrderComesFromAHeadsSweep) {
  const std::vector<Site> order = {{1, 1}, {0, 2}, {0, 0}, {1, 0}, {0, 1}, {1, 2}};
  EXPECT_THAT(Labels("pairs { strongest: 3 }"), ElementsAre("L0H0", "L0H1", "L0H2", "L1H0", "L1H1", "L1H2"));
  EXPECT_THAT(Labels("pairs { strongest: 3 }", order),
              ElementsAre("L0H0", "L0H2", "L1H1", "L0H0+L0H2", "L0H0+L1H1", "L0H2+L1H1"));
  EXPECT_THAT(Labels("cumulative { steps: 2 }"), SizeIs(6));
  EXPECT_THAT(Labels("cumulative { steps: 2 }", order), ElementsAre("L1H1", "L0H2+L1H1"));
  EXPECT_THAT(Labels("cumulative { steps: 2 backwards: true }", order), ElementsAre("L1H2", "L0H1+L1H2"));
}

TEST(SweepRequestTest, NeedsOrderWhereSitesAreChosen) {
  const auto needs = [](const std::string& sweep) {
    return NeedsOrder(RequestOf(absl::StrCat("sweep { ", sweep, " }")));
  };
  EXPECT_TRUE(needs("pairs { strongest: 2 }"));
  EXPECT_TRUE(needs("cumulative {}"));
  EXPECT_FALSE(needs("pairs {}"));
  EXPECT_FALSE(needs("cumulative { order: 'L0H0' }"));
  EXPECT_FALSE(needs("heads {}"));
  EXPECT_FALSE(NeedsOrder({}));
}

// GPT-2 XL's pairs, all of them: 1,200 sites.
TEST(SweepRequestTest, TheLargestPairsFit) {
  const auto sets = SweepSets(RequestOf("sweep { pairs {} }"), {.n_layers = 48, .n_heads = 25}, {});
  ASSERT_TRUE(sets.ok()) << sets.status();
  EXPECT_THAT(*sets, SizeIs(1200 + 1200 * 1199 / 2));
}

}  // namespace
}  // namespace ablate
