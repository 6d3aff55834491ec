#include "kernels/cpu/layer_norm.h"

#include <algorithm>

#include "tests/kernels/cpu/kernel_test.h"

namespace ablate::kernels::cpu {
namespace {

template <typename T>
struct Case {
  int64_t n_rows;
  int64_t d_model;
  std::vector<T> x, gamma, beta, add, out;

  Case(int64_t rows, int64_t d, double mean = 0.3, double scale = 2)
      : n_rows(rows),
        d_model(d),
        x(Normal<T>(rows * d, 21, scale, mean)),
        gamma(Normal<T>(d, 22, 0.3, 1)),
        beta(Normal<T>(d, 23)),
        add(Normal<T>(d, 24)),
        out(x.size(), T{-77}) {}

  LayerNormArgs<T> Args(bool with_add) {
    return {x.data(),   gamma.data(), beta.data(), with_add ? add.data() : nullptr, static_cast<T>(1e-5),
            out.data(), d_model};
  }
};

// With u one rounding, n the longest chain of additions and a the largest |x|: the mean errs by at most n u a, x - mean
// by that and a rounding, the variance relatively by about n u and (from the mean) (n u a)^2 / variance, half of which
// reaches the root.
template <typename T>
void ExpectMatches(Case<T> c) {
  const std::vector<T> before = c.x;
  LayerNorm<T>(c.Args(false), 0, c.n_rows);
  EXPECT_TRUE(SameBits(before, c.x)) << "x was written without `add`";
  const auto d = static_cast<double>(c.d_model);
  // 4 chains of at least 2 lanes, their joints, and the rest of the row; a short row is one chain.
  const double chain = d / 8 + 12;
  for (int64_t row = 0; row < c.n_rows; ++row) {
    const T* x = c.x.data() + row * c.d_model;
    double mean = 0, variance = 0, largest = 0;
    for (int64_t i = 0; i < c.d_model; ++i) mean += static_cast<double>(x[i]) / d;
    for (int64_t i = 0; i < c.d_model; ++i) {
      variance += std::pow(static_cast<double>(x[i]) - mean, 2) / d;
      largest = std::max(largest, std::abs(static_cast<double>(x[i])));
    }
    const double root = std::sqrt(variance + static_cast<double>(static_cast<T>(1e-5)));
    const double mean_error = kUnit<T> * chain * largest;
    const double relative = kUnit<T> * (chain + 8) + std::pow(mean_error / root, 2);
    for (int64_t i = 0; i < c.d_model; ++i) {
      const auto at = static_cast<size_t>(i);
      const double normal = (static_cast<double>(x[i]) - mean) / root;
      const double gamma = static_cast<double>(c.gamma[at]);
      const double expected = normal * gamma + static_cast<double>(c.beta[at]);
      const double tolerance = std::abs(gamma) * (std::abs(normal) * relative + mean_error / root) +
                               2 * kUnit<T> * (std::abs(expected) + std::abs(static_cast<double>(c.beta[at])));
      const auto actual = static_cast<double>(c.out[static_cast<size_t>(row * c.d_model + i)]);
      ASSERT_TRUE(IsClose(actual, expected, tolerance))
          << actual << ", expected " << expected << " within " << tolerance << " at " << i << " of " << c.d_model;
    }
  }
}

class LayerNormTest : public KernelTest {};
ABLATE_FOR_EACH_ISA(LayerNormTest);

TEST_P(LayerNormTest, MatchesFloat64) {
  for (int64_t d : {1, 3, 16, 65, 96, 144, 768, 1600}) {
    ExpectMatches<float>(Case<float>(5, d));
    ExpectMatches<double>(Case<double>(5, d));
  }
}

// A one-pass variance would lose all digits here.
TEST_P(LayerNormTest, KeepsItsDigitsFarFromZero) {
  ExpectMatches<float>(Case<float>(3, 768, 1000, 0.5));
  ExpectMatches<double>(Case<double>(3, 768, 1e6, 0.5));
}

TEST_P(LayerNormTest, AddsTheBiasAfterReading) {
  for (int64_t d : {3, 96, 145, 768}) {
    Case<float> plain(4, d), added(4, d);
    LayerNorm<float>(plain.Args(false), 0, 4);
    LayerNorm<float>(added.Args(true), 0, 4);
    EXPECT_TRUE(SameBits(plain.out, added.out)) << "the addition reached the output";
    for (size_t i = 0; i < plain.x.size(); ++i) {
      ASSERT_EQ(added.x[i], plain.x[i] + plain.add[i % static_cast<size_t>(d)]) << i << " of d_model " << d;
    }
  }
}

TEST_P(LayerNormTest, RowAndRangeDoNotChangeBits) {
  Case<float> whole(9, 145), split(9, 145);
  LayerNorm<float>(whole.Args(true), 0, 9);
  for (int64_t row : {4, 0, 8, 1, 7, 2, 6, 3, 5}) LayerNorm<float>(split.Args(true), row, row + 1);
  EXPECT_TRUE(SameBits(whole.out, split.out));
  EXPECT_TRUE(SameBits(whole.x, split.x));
}

TEST_P(LayerNormTest, NanAndInfSpoilTheirRowOnly) {
  for (float bad : {kNan<float>, kInf<float>, -kInf<float>}) {
    for (int64_t at : {0, 95, 96}) {
      Case<float> clean(3, 97), c(3, 97);
      LayerNorm<float>(clean.Args(false), 0, 3);
      c.x[static_cast<size_t>(97 + at)] = bad;
      LayerNorm<float>(c.Args(false), 0, 3);
      for (size_t i = 0; i < c.out.size(); ++i) {
        if (i / 97 == 1) {
          ASSERT_FALSE(std::isfinite(c.out[i])) << i;
        } else {
          ASSERT_EQ(c.out[i], clean.out[i]) << i;
        }
      }
    }
  }
}

TEST_P(LayerNormTest, ConstantRowGivesBeta) {
  Case<float> c(1, 768);
  std::fill(c.x.begin(), c.x.end(), 4.0F);
  LayerNorm<float>(c.Args(false), 0, 1);
  EXPECT_TRUE(SameBits(c.out, c.beta));
}

}  // namespace
}  // namespace ablate::kernels::cpu
