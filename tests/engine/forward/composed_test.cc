// What stands in for CUDA kernels of our own are compositions of ATen ops, which run anywhere: here on the CPU, beside
// the CPU's kernels, so that a machine without a GPU shows that they compute the same.
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "engine/forward/attend_composed.h"
#include "engine/forward/gather_composed.h"
#include "engine/forward/gemm_cuda.h"
#include "engine/forward/ops.h"
#include "tests/engine/forward/one_layer.h"

namespace ablate {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
// Two float64 computations of the same sums in another order: of up to 9,000 terms below 4, 9,000 * 2^-53 * 4 = 4e-12
// at worst, and in truth by the root of that number of terms.
constexpr double kFloat64Tolerance = 1e-12;

// Baselines of `lengths` and, of each, rows that begin at `begins` and read the baseline's earlier keys.
std::vector<Row> MakeRows(const std::vector<int32_t>& lengths, const std::vector<int32_t>& begins) {
  std::vector<Row> rows;
  int32_t next = 0;
  for (int32_t prompt = 0; prompt < static_cast<int32_t>(lengths.size()); ++prompt) {
    const auto baseline = static_cast<int32_t>(rows.size());
    rows.push_back({.prompt = prompt, .begin = 0, .end = lengths[prompt], .first_token = next, .baseline = baseline});
    next += lengths[prompt];
    for (const int32_t begin : begins) {
      if (begin >= lengths[prompt]) continue;
      rows.push_back(
          {.prompt = prompt, .begin = begin, .end = lengths[prompt], .first_token = next, .baseline = baseline});
      next += lengths[prompt] - begin;
    }
  }
  return rows;
}

void ExpectSameAttention(const std::vector<Row>& rows) {
  const int64_t n_tokens = rows.back().first_token + rows.back().end - rows.back().begin;
  at::manual_seed(1);
  const at::Tensor qkv = at::randn({PadRows(n_tokens), 3, 2, 8}, at::kDouble);
  const at::Tensor bias = at::randn({3 * 2 * 8}, at::kDouble);
  at::Tensor kernel = at::zeros({PadRows(n_tokens), 2, 8}, at::kDouble);
  at::Tensor composed = at::zeros_like(kernel);
  const OneLayer layer(rows, n_tokens, qkv.device(), 2, 8);
  Attend(qkv, bias, rows, layer.tables(), Operand::kExact, kernel);
  AttendComposed(qkv, bias, rows, rows, Operand::kExact, composed);
  ASSERT_GT(kernel.slice(0, 0, n_tokens).abs().min().item<double>(), 0);
  EXPECT_LE((kernel - composed).abs().max().item<double>(), kFloat64Tolerance);
}

TEST(AttendComposed, AgreesWithTheCpusKernel) {
  ExpectSameAttention(MakeRows({9, 1, 70, 33}, {0, 8, 32, 69}));
}

TEST(AttendComposed, AgreesWhereRowsTakeSeveralGroups) {
  // 1 + 2 + 2 rows of 9,000 padded tokens each: more than one group holds, with a baseline in an earlier one.
  ASSERT_GT(5 * 9'000, kAttendGroupTokens);
  ExpectSameAttention(MakeRows({9'000, 5}, {8'999, 8'998, 8'990, 8'000}));
}

TEST(AttendComposed, Bfloat16RoundsWhatItMultiplies) {
  const std::vector<Row> rows = MakeRows({9, 40}, {0, 8});
  at::manual_seed(1);
  const at::Tensor qkv = at::randn({PadRows(150), 3, 2, 8}), bias = at::randn({3, 2, 8});
  at::Tensor found = at::zeros({PadRows(150), 2, 8}), unrounded = at::zeros_like(found);
  AttendComposed(qkv, bias.flatten(), rows, rows, Operand::kBf16, found);
  AttendComposed(qkv, bias.flatten(), rows, rows, Operand::kExact, unrounded);
  EXPECT_FALSE(at::equal(found, unrounded));
  // The same in float64, of what is rounded: queries with their bias, keys and values without.
  at::Tensor rounded = qkv.clone();
  rounded.select(1, 0).add_(bias[0]);
  rounded = rounded.to(at::kBFloat16).to(at::kDouble);
  at::Tensor after = at::zeros({3, 2, 8}, at::kDouble), exact = at::zeros({PadRows(150), 2, 8}, at::kDouble);
  after[2].copy_(bias[2]);
  AttendComposed(rounded, after.flatten(), rows, rows, Operand::kExact, exact);
  // The weights, which sum to 1, are rounded once more, and so is the result: each to 8 bits.
  const double largest = rounded.select(1, 2).abs().max().item<double>();
  EXPECT_LE((found - exact).abs().max().item<double>(), 2 * std::ldexp(largest, -8));
}

TEST(AttendComposed, ANanStaysInItsRow) {
  const std::vector<Row> rows = MakeRows({5, 9, 3}, {2});
  at::manual_seed(1);
  at::Tensor qkv = at::randn({PadRows(40), 3, 2, 8}, at::kDouble);
  const at::Tensor bias = at::randn({3 * 2 * 8}, at::kDouble);
  at::Tensor clean = at::zeros({PadRows(40), 2, 8}, at::kDouble);
  AttendComposed(qkv, bias, rows, rows, Operand::kExact, clean);
  qkv[0].fill_(kNan);  // the first baseline's first token
  at::Tensor spoilt = at::zeros_like(clean);
  AttendComposed(qkv, bias, rows, rows, Operand::kExact, spoilt);
  const int64_t second = rows[2].first_token;  // behind the first prompt's two rows
  EXPECT_TRUE(at::isnan(spoilt.slice(0, 0, second)).any().item<bool>());
  EXPECT_TRUE(at::equal(spoilt.slice(0, second), clean.slice(0, second)));
}

// Rows of three parts, one of them empty, in any order and some twice; what lies behind repeats the first.
TEST(GatherComposed, AgreesWithTheCpusLoops) {
  at::manual_seed(1);
  const std::vector<at::Tensor> parts = {at::randn({5, 7}), at::randn({0, 7}), at::randn({3, 7})};
  const std::vector<int64_t> rows = {6, 0, 4, 5, 7, 4};
  at::Tensor kernel = at::zeros({PadRows(6), 7}), composed = at::zeros({PadRows(6), 7});
  GatherRows(parts, rows, kernel);
  GatherRowsComposed(parts, rows, composed);
  EXPECT_TRUE(at::equal(kernel, composed));
  const at::Tensor all = at::cat(parts);
  for (int64_t i = 0; i < kernel.size(0); ++i) EXPECT_TRUE(at::equal(kernel[i], all[i < 6 ? rows[i] : rows[0]])) << i;
}

// What follows a product where cuBLASLt fuses nothing with it.
TEST(BiasGeluComposed, AgreesWithTheCpusEpilogue) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({16, 24}, at::kDouble), weight = at::randn({24, 40}, at::kDouble);
  const at::Tensor bias = 3 * at::randn({40}, at::kDouble);
  at::Tensor kernel = at::zeros({16, 40}, at::kDouble);
  Linear(x, weight, bias, Epilogue::kGeluTanh, kernel);
  at::Tensor composed = at::mm(x, weight);
  BiasGeluComposed(bias, composed);
  EXPECT_LE((kernel - composed).abs().max().item<double>(), kFloat64Tolerance);
  EXPECT_GT(composed.max().item<double>(), 1);
}

TEST(GatherComposed, OutOfRangeIsRefused) {
  const at::Tensor rows = at::randn({5, 7});
  at::Tensor out = at::zeros({16, 7});
  const std::vector<int64_t> behind = {5}, before = {-1};
  for (const auto& bad : {behind, before}) {
    EXPECT_THROW(GatherRows({&rows, 1}, bad, out), c10::Error);
  }
}

}  // namespace
}  // namespace ablate
