#include "engine/model/tensor_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace ablate {
namespace {

template <typename Bits>
TensorView View(Dtype dtype, const std::vector<Bits>& bits) {
  TensorView view;
  view.name = "wte.weight";
  view.file = "model.safetensors";
  view.dtype = dtype;
  view.shape = {static_cast<int64_t>(bits.size())};
  view.bytes = {reinterpret_cast<const uint8_t*>(bits.data()), bits.size() * sizeof(Bits)};
  return view;
}

absl::Status Convert(const TensorView& tensor) {
  std::vector<float> out(tensor.numel());
  return CopyAsFloat(tensor, out.data());
}

// IEEE 754 binary16 by its definition.
double HalfByDefinition(uint16_t bits) {
  const int sign = (bits >> 15U) != 0 ? -1 : 1;
  const int exponent = (bits >> 10U) & 0x1F;
  const int fraction = bits & 0x3FF;
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

TEST(TensorView, EveryFiniteHalfIsExact) {
  std::vector<uint16_t> bits;
  for (uint32_t i = 0; i < 65536; ++i) {
    if ((i & 0x7C00U) != 0x7C00U) bits.push_back(static_cast<uint16_t>(i));
  }
  const TensorView view = View(Dtype::kF16, bits);
  std::vector<float> floats(bits.size());
  std::vector<double> doubles(bits.size());
  ASSERT_TRUE(CopyAsFloat(view, floats.data()).ok());
  ASSERT_TRUE(CopyAsDouble(view, doubles.data()).ok());
  for (size_t i = 0; i < bits.size(); ++i) {
    ASSERT_EQ(doubles[i], HalfByDefinition(bits[i])) << std::hex << bits[i];
    ASSERT_EQ(static_cast<double>(floats[i]), doubles[i]) << std::hex << bits[i];
    ASSERT_EQ(std::signbit(floats[i]), (bits[i] >> 15U) != 0) << std::hex << bits[i];
  }
}

TEST(TensorView, EveryFiniteBfloat16IsTheUpperHalfOfAFloat) {
  std::vector<uint16_t> bits;
  for (uint32_t i = 0; i < 65536; ++i) {
    if ((i & 0x7F80U) != 0x7F80U) bits.push_back(static_cast<uint16_t>(i));
  }
  std::vector<float> floats(bits.size());
  ASSERT_TRUE(CopyAsFloat(View(Dtype::kBF16, bits), floats.data()).ok());
  for (size_t i = 0; i < bits.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(floats[i]), static_cast<uint32_t>(bits[i]) << 16U);
  }
}

TEST(TensorView, EveryNonFiniteHalfIsReported) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    EXPECT_EQ(Convert(View<uint16_t>(Dtype::kF16, {bits})).ok(), (i & 0x7C00U) != 0x7C00U) << i;
    EXPECT_EQ(Convert(View<uint16_t>(Dtype::kBF16, {bits})).ok(), (i & 0x7F80U) != 0x7F80U) << i;
  }
}

TEST(TensorView, FloatsCopyBitForBitFromAnyAddress) {
  const std::vector<float> values = {0.0F, -0.0F, 1e-45F, -1.5F, std::numeric_limits<float>::max()};
  std::vector<uint8_t> bytes(values.size() * 4 + 1);
  std::memcpy(bytes.data() + 1, values.data(), values.size() * 4);
  TensorView view = View<float>(Dtype::kF32, values);
  view.bytes = {bytes.data() + 1, values.size() * 4};
  std::vector<float> out(values.size());
  ASSERT_TRUE(CopyAsFloat(view, out.data()).ok());
  EXPECT_EQ(std::memcmp(out.data(), values.data(), values.size() * 4), 0);
}

TEST(TensorView, FirstBadElementIsNamedAcrossBlocks) {
  for (const int64_t index : {0, 1, 4095, 4096, 9999}) {
    for (const auto& [bits, text] : std::vector<std::pair<uint32_t, std::string>>{{0x7F800000U, "Inf"},
                                                                                  {0xFF800000U, "-Inf"},
                                                                                  {0x7FC00000U, "NaN"},
                                                                                  {0x7F800001U, "NaN"},
                                                                                  {0xFFFFFFFFU, "NaN"}}) {
      std::vector<uint32_t> values(10000, 0x3F800000U);
      values[index] = bits;
      values[9999] = bits;
      const absl::Status status = Convert(View(Dtype::kF32, values));
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_EQ(status.message(), "model.safetensors: tensor `wte.weight`: element " + std::to_string(index) +
                                      " of 10000 is " + text + ", expected a finite number");
    }
  }
}

TEST(TensorView, OtherTypesAreNotConverted) {
  const absl::Status status = Convert(View<uint64_t>(Dtype::kF64, {0}));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("stored as F64, expected F32, F16 or BF16"));
}

TEST(TensorView, NamesParseBack) {
  for (int i = 0; i <= static_cast<int>(Dtype::kC64); ++i) {
    const auto dtype = static_cast<Dtype>(i);
    EXPECT_EQ(ParseDtype(Name(dtype)), dtype);
  }
  EXPECT_EQ(ParseDtype("f32"), std::nullopt);
  EXPECT_EQ(ShapeString({2, 3}), "[2, 3]");
}

}  // namespace
}  // namespace ablate
