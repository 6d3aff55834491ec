#include "kernels/cpu/gelu.h"

#include <algorithm>

#include "tests/kernels/cpu/kernel_test.h"

namespace ablate::kernels::cpu {
namespace {

// The definition, with 1 + tanh(u) written as 2 / (1 + exp(-2u)) so that it keeps its digits.
double Reference(double x) {
  const long double v = x;
  const long double u = std::sqrt(2 / std::acos(-1.0L)) * (v + 0.044715L * v * v * v);
  return static_cast<double>(v / (1 + std::exp(-2 * u)));
}

// gelu(x) = x / (1 + e), e = exp(-2u). The error of e's argument, 3 roundings of |2u|, enters e relatively and the
// result by at most its factor e / (1 + e) <= 1; exp, sum, quotient add 5 roundings more. The sum x + bias errs by a
// rounding, which the reference shares by taking the rounded sum.
template <typename T>
double Tolerance(double x) {
  const double u = 0.79788456080286535588 * (x + 0.044715 * x * x * x);
  return kUnit<T> * (6 * std::abs(u) + 6) * std::abs(Reference(x)) + 2 * std::abs(x) * std::exp(-88.0);
}

template <typename T>
void ExpectMatches(int64_t n_rows, int64_t d_mlp) {
  std::vector<T> x = Normal<T>(n_rows * d_mlp, 11, 3);
  const std::vector<T> bias = Normal<T>(d_mlp, 12, 1);
  const std::vector<T> before = x;
  BiasGeluTanh<T>({x.data(), bias.data(), d_mlp}, 0, n_rows);
  for (int64_t i = 0; i < n_rows * d_mlp; ++i) {
    const auto at = static_cast<size_t>(i);
    const auto sum = static_cast<double>(before[at] + bias[static_cast<size_t>(i % d_mlp)]);
    ASSERT_TRUE(IsClose(static_cast<double>(x[at]), Reference(sum), Tolerance<T>(sum)))
        << "gelu(" << sum << ") = " << x[at] << ", expected " << Reference(sum);
  }
}

class GeluTest : public KernelTest {};
ABLATE_FOR_EACH_ISA(GeluTest);

TEST_P(GeluTest, ReferenceIsTheDefinition) {
  for (double x : {-3.0, -1.0, -0.1, 0.0, 0.5, 2.0, 8.0}) {
    const double u = std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
    EXPECT_TRUE(IsClose(Reference(x), 0.5 * x * (1 + std::tanh(u)), 1e-15)) << x;
  }
}

TEST_P(GeluTest, MatchesTheDefinition) {
  for (int64_t d_mlp : {1, 7, 16, 384, 577, 3072}) {
    ExpectMatches<float>(3, d_mlp);
    ExpectMatches<double>(3, d_mlp);
  }
}

TEST_P(GeluTest, MatchesTheDefinitionOnAFineGrid) {
  std::vector<float> x;
  for (int i = -120000; i <= 120000; ++i) x.push_back(static_cast<float>(i) / 10000);
  const std::vector<float> grid = x;
  const auto n = static_cast<int64_t>(x.size());
  const std::vector<float> zero(x.size(), 0.0F);
  BiasGeluTanh<float>({x.data(), zero.data(), n}, 0, 1);
  for (size_t i = 0; i < x.size(); ++i) {
    const auto v = static_cast<double>(grid[i]);
    ASSERT_TRUE(IsClose(static_cast<double>(x[i]), Reference(v), Tolerance<float>(v)))
        << "gelu(" << v << ") = " << x[i] << ", expected " << Reference(v);
  }
}

TEST_P(GeluTest, RowAndRangeDoNotChangeBits) {
  const int64_t d = 577;
  std::vector<float> whole = Normal<float>(9 * d, 3);
  std::vector<float> split = whole;
  const std::vector<float> bias = Normal<float>(d, 4);
  BiasGeluTanh<float>({whole.data(), bias.data(), d}, 0, 9);
  for (int64_t row : {4, 0, 8, 1, 7, 2, 6, 3, 5}) BiasGeluTanh<float>({split.data(), bias.data(), d}, row, row + 1);
  EXPECT_TRUE(SameBits(whole, split));
}

TEST_P(GeluTest, ExtremesAndNan) {
  std::vector<float> x = {kNan<float>, kInf<float>, -kInf<float>, 1e30F, -1e30F, 3e38F, -3e38F, 0.0F, 100.0F, -100.0F};
  x.resize(37, 1.0F);
  const std::vector<float> zero(x.size(), 0.0F);
  BiasGeluTanh<float>({x.data(), zero.data(), 37}, 0, 1);
  EXPECT_TRUE(std::isnan(x[0]));
  EXPECT_EQ(x[1], kInf<float>);
  EXPECT_FALSE(std::isfinite(x[2]));
  EXPECT_EQ(x[3], 1e30F);
  EXPECT_NEAR(x[4], 0, 1e-7);
  EXPECT_EQ(x[5], 3e38F);
  EXPECT_TRUE(IsClose(static_cast<double>(x[6]), 0, 20.0));  // finite, and nothing beside its argument
  EXPECT_EQ(x[7], 0.0F);
  EXPECT_EQ(x[8], 100.0F);
  EXPECT_NEAR(x[9], 0, 1e-30);
}

}  // namespace
}  // namespace ablate::kernels::cpu
