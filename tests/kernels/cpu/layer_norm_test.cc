#include "kernels/cpu/layer_norm.h"

#include <algorithm>

#include "tests/kernels/cpu/kernel_test.h"
#include "tests/kernels/layer_norm_cases.h"

namespace ablate::kernels::cpu {
namespace {

template <typename T>
using Case = LayerNormProblem<T>;

template <typename T>
void ExpectMatches(Case<T> c) {
  const Case<T> before = c;
  LayerNorm<T>(c.Args(), 0, c.n_rows);
  EXPECT_TRUE(SameBits(before.x, c.x)) << "x was written without `add`";
  // 4 chains of at least 2 lanes, their joints, and the rest of the row; a short row is one chain.
  EXPECT_EQ(FindLayerNormError(c, before.x, static_cast<double>(c.d_model) / 8 + 12), "");
}

class LayerNormTest : public KernelTest {};
ABLATE_FOR_EACH_ISA(LayerNormTest);

TEST_P(LayerNormTest, MatchesFloat64) {
  for (const int64_t d : kLayerNormSizes) {
    for (const int64_t offset : {0, 1}) {
      ExpectMatches<float>(Case<float>(5, d, offset));
      ExpectMatches<double>(Case<double>(5, d, offset));
    }
  }
}

// A one-pass variance would lose all digits here.
TEST_P(LayerNormTest, KeepsItsDigitsFarFromZero) {
  ExpectMatches<float>(Case<float>(3, 768, 0, 1000, 0.5));
  ExpectMatches<double>(Case<double>(3, 768, 0, 1e6, 0.5));
}

TEST_P(LayerNormTest, AddsTheBiasAfterReading) {
  for (int64_t d : {3, 96, 145, 768}) {
    Case<float> plain(4, d, 0), added(4, d, 0);
    LayerNorm<float>(plain.Args(), 0, 4);
    LayerNorm<float>(added.Args(true), 0, 4);
    EXPECT_TRUE(SameBits(plain.out, added.out)) << "the addition reached the output";
    for (int64_t i = 0; i < plain.x.size; ++i) {
      ASSERT_EQ(added.x[i], plain.x[i] + plain.add[i % d]) << i << " of d_model " << d;
    }
  }
}

TEST_P(LayerNormTest, RowAndRangeDoNotChangeBits) {
  Case<float> whole(9, 145, 0), split(9, 145, 0);
  LayerNorm<float>(whole.Args(true), 0, 9);
  for (int64_t row : {4, 0, 8, 1, 7, 2, 6, 3, 5}) LayerNorm<float>(split.Args(true), row, row + 1);
  EXPECT_TRUE(SameBits(whole.out, split.out));
  EXPECT_TRUE(SameBits(whole.x, split.x));
}

TEST_P(LayerNormTest, NanAndInfSpoilTheirRowOnly) {
  for (float bad : {kNan<float>, kInf<float>, -kInf<float>}) {
    for (int64_t at : {0, 95, 96}) {
      Case<float> clean(3, 97, 0), c(3, 97, 0);
      LayerNorm<float>(clean.Args(), 0, 3);
      c.x[97 + at] = bad;
      LayerNorm<float>(c.Args(), 0, 3);
      for (int64_t i = 0; i < c.out.size; ++i) {
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
  Case<float> c(1, 768, 0);
  std::fill(c.x.data(), c.x.data() + c.x.size, 4.0F);
  LayerNorm<float>(c.Args(), 0, 1);
  EXPECT_TRUE(SameBits(c.out, c.beta));
}

}  // namespace
}  // namespace ablate::kernels::cpu
