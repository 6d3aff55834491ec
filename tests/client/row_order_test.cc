#include "client/cpp/cli/row_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "tests/client/fixtures.h"

namespace ablate::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<const Block> Rows(const std::vector<testing::RowId>& rows) {
  return std::make_shared<const Block>(testing::MakeBlock(rows));
}

class RowOrderTest : public ::testing::Test {
 protected:
  RowOrder order_{2, 4, [this](int prompt, absl::Span<const Row> rows) {
                    prompts_.push_back(prompt);
                    for (size_t i = 0; i < rows.size(); ++i) {
                      EXPECT_EQ(rows[i].prompt(), prompt);
                      EXPECT_EQ(rows[i].variant(), static_cast<int>(i) - 1);
                    }
                    return absl::OkStatus();
                  }};
  std::vector<int> prompts_;
};

TEST_F(RowOrderTest, HandsOutAPromptAsSoonAsItIsWhole) {
  ASSERT_TRUE(order_.Take(Rows({{0, 3}, {0, 1}, {0, -1}})).ok());
  EXPECT_THAT(prompts_, IsEmpty());
  ASSERT_TRUE(order_.Take(Rows({{0, 2}, {0, 0}, {1, 0}})).ok());
  EXPECT_THAT(prompts_, ElementsAre(0));
}

TEST_F(RowOrderTest, KeepsALaterPromptBackUntilTheEarlierIsWhole) {
  ASSERT_TRUE(order_.Take(Rows({{1, 3}, {1, 1}, {1, -1}, {1, 0}, {1, 2}, {0, -1}})).ok());
  EXPECT_THAT(prompts_, IsEmpty());
  ASSERT_TRUE(order_.Take(Rows({{0, 3}, {0, 2}, {0, 1}, {0, 0}})).ok());
  EXPECT_THAT(prompts_, ElementsAre(0, 1));
}

TEST(RowOrderShuffleTest, AnyOrderGivesTheSame) {
  std::vector<testing::RowId> rows;
  for (int p = 0; p < 3; ++p) {
    for (int v = -1; v < 4; ++v) rows.push_back({p, v});
  }
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::shuffle(rows.begin(), rows.end(), random);
    std::vector<int> variants;
    RowOrder order(3, 4, [&](int, absl::Span<const Row> whole) {
      for (const Row& row : whole) variants.push_back(10 * row.prompt() + row.variant());
      return absl::OkStatus();
    });
    for (const auto& row : rows) ASSERT_TRUE(order.Take(Rows({row})).ok());
    EXPECT_THAT(variants, ElementsAre(-1, 0, 1, 2, 3, 9, 10, 11, 12, 13, 19, 20, 21, 22, 23));
  }
}

TEST(RowOrderErrorTest, PassesTheSinksErrorOn) {
  RowOrder order(1, 0, [](int, absl::Span<const Row>) { return absl::DataLossError("disk full"); });
  EXPECT_EQ(order.Take(Rows({{0, -1}})).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace ablate::cli
