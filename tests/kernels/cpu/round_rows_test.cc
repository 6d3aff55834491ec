// What kernels write as bfloat16: bits of a plain scalar rounding, for rows of any length, from each kernel that can.
#include "kernels/cpu/round_rows.h"

#include <bit>

#include "kernels/cpu/gelu.h"
#include "kernels/cpu/layer_norm.h"
#include "tests/kernels/cpu/kernel_test.h"

namespace ablate::kernels::cpu {
namespace {

// The nearer of the two neighbours, the even one of two that are as near.
uint16_t Reference(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16U | 0x40U);
  const uint32_t below = bits >> 16U, rest = bits & 0xFFFFU;
  const bool up = rest > 0x8000U || (rest == 0x8000U && (below & 1U) != 0);
  return static_cast<uint16_t>(below + (up ? 1U : 0U));
}

// The first half of each row of `x` [rows, d].
std::vector<uint16_t> Halves(const std::vector<float>& x, int64_t rows, int64_t d) {
  std::vector<uint16_t> halves(static_cast<size_t>(rows * d));
  for (int64_t row = 0; row < rows; ++row) {
    std::memcpy(halves.data() + row * d, x.data() + row * d, static_cast<size_t>(d) * sizeof(uint16_t));
  }
  return halves;
}

std::vector<uint16_t> Rounded(const std::vector<float>& x) {
  std::vector<uint16_t> rounded;
  for (const float value : x) rounded.push_back(Reference(value));
  return rounded;
}

class RoundRowsTest : public KernelTest {};
ABLATE_FOR_EACH_ISA(RoundRowsTest);

TEST_P(RoundRowsTest, RoundsToNearestEven) {
  for (int64_t d : {1, 5, 16, 33, 768}) {
    std::vector<float> x = Normal<float>(7 * d, 31, 100);
    const std::vector<uint16_t> expected = Rounded(x);
    RoundRows({x.data(), d}, 0, 7);
    EXPECT_EQ(Halves(x, 7, d), expected) << "d " << d;
  }
}

TEST_P(RoundRowsTest, TiesEndsAndNoNumbers) {
  const auto of = [](uint32_t bits) { return std::bit_cast<float>(bits); };
  std::vector<float> x = {
      of(0x3F808000U),
      of(0x3F818000U),
      of(0x3F808001U),
      of(0xBF807FFFU),  // ties go to the even one
      0.0F,
      -0.0F,
      of(0x00000001U),
      of(0x00018000U),  // subnormal
      of(0x7F7FFFFFU),
      of(0xFF7F8000U),
      kInf<float>,
      -kInf<float>,  // the largest rounds to Inf
      kNan<float>,
      of(0x7F800001U),
      of(0xFFFFFFFFU),
      1.0F,
  };
  const std::vector<uint16_t> expected = Rounded(x);
  ASSERT_EQ(expected[0], 0x3F80U);
  ASSERT_EQ(expected[1], 0x3F82U);
  ASSERT_EQ(expected[8], 0x7F80U);
  const auto d = static_cast<int64_t>(x.size());
  RoundRows({x.data(), d}, 0, 1);
  EXPECT_EQ(Halves(x, 1, d), expected);
}

TEST_P(RoundRowsTest, RangesDoNotChangeBits) {
  std::vector<float> whole = Normal<float>(9 * 40, 32), split = whole;
  RoundRows({whole.data(), 40}, 0, 9);
  for (int64_t row : {8, 0, 4, 3, 1, 7, 2, 6, 5}) RoundRows({split.data(), 40}, row, row + 1);
  EXPECT_EQ(Halves(whole, 9, 40), Halves(split, 9, 40));
}

TEST_P(RoundRowsTest, LayerNormRoundsWhatItWouldWrite) {
  for (int64_t d : {1, 16, 97, 768}) {
    std::vector<float> x = Normal<float>(4 * d, 33, 3), again = x;
    const std::vector<float> gamma = Normal<float>(d, 34), beta = Normal<float>(d, 35), add = Normal<float>(d, 36);
    std::vector<float> exact(x.size()), rounded(x.size());
    LayerNormArgs<float> args = {x.data(), gamma.data(), beta.data(), add.data(), 1e-5F, exact.data(), d};
    LayerNorm<float>(args, 0, 4);
    args.x = again.data();
    args.out = rounded.data();
    args.rounds = true;
    LayerNorm<float>(args, 0, 4);
    EXPECT_EQ(Halves(rounded, 4, d), Rounded(exact)) << "d " << d;
    EXPECT_TRUE(SameBits(x, again)) << "the residual is not rounded";
  }
}

TEST_P(RoundRowsTest, GeluRoundsWhatItWouldWrite) {
  for (int64_t d : {1, 16, 97, 3072}) {
    std::vector<float> exact = Normal<float>(3 * d, 37, 2), rounded = exact;
    const std::vector<float> bias = Normal<float>(d, 38);
    BiasGeluTanh<float>({exact.data(), bias.data(), d}, 0, 3);
    BiasGeluTanh<float>({rounded.data(), bias.data(), d, /*rounds=*/true}, 0, 3);
    EXPECT_EQ(Halves(rounded, 3, d), Rounded(exact)) << "d " << d;
  }
}

}  // namespace
}  // namespace ablate::kernels::cpu
