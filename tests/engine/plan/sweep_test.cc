#include "engine/plan/sweep.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Labels(const std::vector<Variant>& variants) {
  std::vector<std::string> labels;
  for (const Variant& variant : variants) labels.push_back(Label(variant));
  return labels;
}

TEST(HeadsSweepTest, AblatesEveryHeadAtAllPositionsByDefault) {
  const absl::StatusOr<std::vector<Variant>> variants = MakeVariants({}, 12, 12);
  ASSERT_TRUE(variants.ok()) << variants.status();
  ASSERT_EQ(variants->size(), 144);
  for (size_t i = 0; i < 144; ++i) {
    const Site site{static_cast<int32_t>(i / 12), static_cast<int32_t>(i % 12)};
    const Edit zero{.site = site, .positions = {0, INT32_MAX}, .scale = 0.0F, .entry = -1};
    EXPECT_THAT((*variants)[i].edits, ElementsAre(zero));
  }
}

TEST(HeadsSweepTest, KeepsTheOrderAskedFor) {
  EXPECT_THAT(Labels(*MakeVariants({.layers = {2, 0}, .heads = {1, 0}}, 3, 2)),
              ElementsAre("L2H1", "L2H0", "L0H1", "L0H0"));
  EXPECT_THAT(Labels(*MakeVariants({.layers = {}, .heads = {1}}, 2, 2)), ElementsAre("L0H1", "L1H1"));
  EXPECT_THAT(Labels(*MakeVariants({.layers = {1}, .heads = {}}, 2, 2)), ElementsAre("L1H0", "L1H1"));
}

TEST(HeadsSweepTest, NamesWhatIsOutOfRange) {
  const auto message = [](const HeadsSweep& sweep, int32_t n_layers = 12, int32_t n_heads = 4) {
    const absl::Status status = MakeVariants(sweep, n_layers, n_heads).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(message({.layers = {0, 12}, .heads = {}}), "layers[1] is 12, expected 0 to 11");
  EXPECT_EQ(message({.layers = {-1}, .heads = {}}), "layers[0] is -1, expected 0 to 11");
  EXPECT_EQ(message({.layers = {}, .heads = {4}}), "heads[0] is 4, expected 0 to 3");
  EXPECT_EQ(message({.layers = {3, 1, 3}, .heads = {}}),
            "layers[2] is 3, which is there twice; expected each at most once");
  EXPECT_EQ(message({.layers = {}, .heads = {0, 0}}),
            "heads[1] is 0, which is there twice; expected each at most once");
  EXPECT_EQ(message({}, 0, 4), "n_layers is 0, expected at least 1");
  EXPECT_EQ(message({}, 12, -1), "n_heads is -1, expected at least 1");
}

}  // namespace
}  // namespace ablate
