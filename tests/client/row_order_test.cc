#include "client/cpp/cli/row_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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
  RowOrder order_{testing::MakeManifest(2), {}, [this](const PromptResult& result) {
                    prompts_.push_back(result.prompt);
                    EXPECT_EQ(result.rows.size(), 5U);
                    for (size_t i = 0; i < result.rows.size(); ++i) {
                      EXPECT_EQ(result.rows[i].prompt(), result.prompt);
                      EXPECT_EQ(result.rows[i].variant(), static_cast<int>(i) - 1);
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

TEST_F(RowOrderTest, PromptsBehindASkippedOneNeedNotWait) {
  ASSERT_TRUE(order_.Take(Rows({{1, 3}, {1, 1}, {1, -1}, {1, 0}, {1, 2}})).ok());
  EXPECT_THAT(prompts_, IsEmpty());
  ASSERT_TRUE(order_.Skip(0).ok());
  EXPECT_THAT(prompts_, ElementsAre(1));
  // Told again, behind a connection that broke.
  ASSERT_TRUE(order_.Skip(0).ok());
  EXPECT_THAT(prompts_, ElementsAre(1));
}

TEST_F(RowOrderTest, AtTheEndWhatIsWholeIsHandedOutAndWhatIsNotIsNamed) {
  ASSERT_TRUE(order_.Take(Rows({{1, 3}, {1, 1}, {1, -1}, {1, 0}, {1, 2}, {0, 2}})).ok());
  const auto begun = order_.Finish();
  ASSERT_TRUE(begun.ok());
  EXPECT_THAT(*begun, ElementsAre(0));
  EXPECT_THAT(prompts_, ElementsAre(1));
}

TEST(RowOrderAsTheyComeTest, APromptDoesNotWaitForThoseBeforeIt) {
  std::vector<int> prompts;
  RowOrder order(
      testing::MakeManifest(3), {},
      [&](const PromptResult& result) {
        prompts.push_back(result.prompt);
        return absl::OkStatus();
      },
      PromptOrder::kAsTheyCome);
  ASSERT_TRUE(order.Take(Rows({{2, 3}, {2, 1}, {2, -1}, {2, 0}, {2, 2}, {0, 1}})).ok());
  EXPECT_THAT(prompts, ElementsAre(2));
  ASSERT_TRUE(order.Take(Rows({{0, 3}, {0, -1}, {0, 0}, {0, 2}})).ok());
  EXPECT_THAT(prompts, ElementsAre(2, 0));
  EXPECT_THAT(*order.Finish(), IsEmpty());
  EXPECT_THAT(prompts, ElementsAre(2, 0));
}

// What a row is, in one text.
std::string Name(const Row& row) {
  const auto key = row.key();
  return absl::StrCat(row.prompt(), "/", key.replacement, "/", key.variant, "/", key.edit_position, "/",
                      row.position());
}

TEST(RowOrderShuffleTest, AnyOrderGivesTheSame) {
  auto manifest = testing::MakeManifest(3);
  for (auto& prompt : manifest.prompts) {
    prompt.clear_read_positions();
    prompt.add_read_positions(0);
    prompt.add_read_positions(1);
  }
  testing::AddReplacements(&manifest);
  testing::SweepPositions(&manifest);
  auto rows = testing::AllRows(manifest);
  std::vector<std::string> expected;
  for (const auto& row : rows) {
    expected.push_back(absl::StrCat(row.prompt, "/", row.variant < 0 ? -1 : row.replacement, "/", row.variant, "/",
                                    row.edit_position, "/", row.position));
  }
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(rows.begin(), rows.end(), random);
    std::vector<std::string> names;
    RowOrder order(manifest, {}, [&](const PromptResult& result) {
      for (const Row& row : result.rows) names.push_back(Name(row));
      return absl::OkStatus();
    });
    for (const auto& row : rows) {
      ASSERT_TRUE(order.Take(std::make_shared<const Block>(testing::MakeBlock(manifest, {row}))).ok());
    }
    EXPECT_EQ(names, expected);
  }
}

TEST(RowOrderExtrasTest, APromptIsWholeOnlyWithWhatStandsBesideItsRows) {
  auto manifest = testing::MakeManifest(1);
  int handed_out = 0;
  RowOrder order(manifest, {.likelihood = true, .compensation = true}, [&](const PromptResult& result) {
    ++handed_out;
    EXPECT_EQ(result.likelihoods.size(), 5U);
    EXPECT_EQ(result.likelihoods[3].key().variant, 2);
    EXPECT_EQ(result.compensations.size(), 4U);
    EXPECT_EQ(result.compensations[3].key().variant, 3);
    return absl::OkStatus();
  });
  ASSERT_TRUE(order.Take(Rows(testing::AllRows(manifest))).ok());
  ASSERT_TRUE(
      order.Take(std::make_shared<const ablation::v1::CompensationBlock>(testing::MakeCompensation(manifest, 0))).ok());
  EXPECT_EQ(handed_out, 0);
  ASSERT_TRUE(
      order.Take(std::make_shared<const ablation::v1::LikelihoodBlock>(testing::MakeLikelihood(manifest, 0))).ok());
  EXPECT_EQ(handed_out, 1);
}

TEST(RowOrderErrorTest, PassesTheSinksErrorOn) {
  RowOrder order(testing::MakeManifest(), {}, [](const PromptResult&) { return absl::DataLossError("disk full"); });
  EXPECT_EQ(order.Take(Rows({{0, -1}, {0, 0}, {0, 1}, {0, 2}, {0, 3}})).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace ablate::cli
