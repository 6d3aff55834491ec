#include "server/budget.h"

#include <optional>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

using ::testing::HasSubstr;

TEST(BudgetTest, WhatIsHeldIsBoundedAndGivenBack) {
  Budget budget("bytes of sums", 100);
  std::optional<Budget::Lease> first;
  first.emplace(*budget.Take(60));
  EXPECT_TRUE(budget.Take(40).ok());
  const absl::Status full = budget.Take(41).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()),
              HasSubstr("other requests hold 60 bytes of sums and this one needs 41, expected at most 100 together"));
  EXPECT_TRUE(DetailsOf(ToGrpcStatus(full)).retry.has_retry_delay());
  first.reset();
  EXPECT_TRUE(budget.Take(41).ok());
}

TEST(BudgetTest, WhereNothingIsHeldAnyAmountIsGiven) {
  Budget budget("bytes", 100);
  const auto all = budget.Take(1000);
  ASSERT_TRUE(all.ok());
  EXPECT_FALSE(budget.Take(1).ok());
}

TEST(BudgetTest, AMovedLeaseIsGivenBackOnce) {
  Budget budget("bytes", 100);
  {
    Budget::Lease lease = *budget.Take(100);
    const Budget::Lease moved = std::move(lease);
    EXPECT_FALSE(budget.Take(1).ok());
  }
  const auto again = budget.Take(100);
  EXPECT_TRUE(again.ok());
  EXPECT_FALSE(budget.Take(1).ok());
}

}  // namespace
}  // namespace ablate
