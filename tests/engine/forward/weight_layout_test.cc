#include "engine/forward/weight_layout.h"

#include <ATen/Functions.h>

#include "engine/forward/ops.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

TEST(WeightLayoutTest, NoiseLeavesTheRows) {
  EXPECT_FALSE(IsWorthTransposing(10, 10));
  EXPECT_FALSE(IsWorthTransposing(10, 9.8));
  EXPECT_TRUE(IsWorthTransposing(10, 9.5));
  EXPECT_FALSE(IsWorthTransposing(10, 20));
}

// Whatever lies how, a product is the same, and so is a head's part of the weight.
TEST(WeightLayoutTest, ColumnsHoldTheSameValues) {
  at::manual_seed(1);
  const at::Tensor weight = at::randn({24, 40}, at::kDouble), x = at::randn({16, 24}, at::kDouble);
  const at::Tensor columns = ByColumns(weight);
  EXPECT_TRUE(at::equal(weight, columns));
  EXPECT_EQ(columns.stride(0), 1);
  EXPECT_EQ(columns.stride(1), 24);
  EXPECT_TRUE(at::equal(weight.narrow(0, 8, 8), columns.narrow(0, 8, 8)));
  at::Tensor by_rows = at::zeros({16, 40}, at::kDouble), by_columns = at::zeros_like(by_rows);
  Linear(x, weight, {}, Epilogue::kNone, by_rows);
  Linear(x, columns, {}, Epilogue::kNone, by_columns);
  EXPECT_TRUE(at::allclose(by_rows, by_columns, 0, 1e-13));
}

}  // namespace
}  // namespace ablate
