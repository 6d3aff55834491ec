#include "engine/model/tensor_view.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ablate {
namespace {

static_assert(std::endian::native == std::endian::little, "weights are little-endian and are read in place");

struct DtypeFacts {
  std::string_view name;
  int64_t bytes;
};

constexpr DtypeFacts kFacts[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
                                 {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},     {"I32", 4},
                                 {"F32", 4},  {"U64", 8}, {"I64", 8}, {"F64", 8},     {"C64", 8}};
static_assert(std::size(kFacts) == static_cast<size_t>(Dtype::kC64) + 1);

template <typename Bits>
Bits Load(const uint8_t* at) {
  Bits bits;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

// One stored type: its exponent mask (all ones: NaN or Inf) and its exact value as float32.
struct F32 {
  using Bits = uint32_t;
  static constexpr Bits kExponent = 0x7F800000U;
  static float Value(Bits bits) { return std::bit_cast<float>(bits); }
};

struct BF16 {
  using Bits = uint16_t;
  static constexpr Bits kExponent = 0x7F80U;
  static float Value(Bits bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16U); }
};

struct F16 {
  using Bits = uint16_t;
  static constexpr Bits kExponent = 0x7C00U;
  // Exponent and fraction land in float32's places with a bias of 15 instead of 127; the product mends the bias and,
  // being exact, makes subnormals normal. Finite values only.
  static float Value(Bits bits) {
    const uint32_t sign = (bits & 0x8000U) << 16U;
    const float magnitude = std::bit_cast<float>((bits & 0x7FFFU) << 13U) * 0x1p112F;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
};

template <typename Stored>
absl::Status NotFinite(const TensorView& tensor, int64_t index) {
  using Bits = typename Stored::Bits;
  const auto bits = Load<Bits>(tensor.bytes.data() + index * static_cast<int64_t>(sizeof(Bits)));
  const bool negative = (bits >> (8 * sizeof(Bits) - 1)) != 0;
  const bool infinite = (bits & ((Stored::kExponent & -Stored::kExponent) - 1U)) == 0;
  return absl::InvalidArgumentError(absl::StrCat(tensor.file, ": tensor `", tensor.name, "`: element ", index, " of ",
                                                 tensor.numel(), " is ",
                                                 !infinite  ? "NaN"
                                                 : negative ? "-Inf"
                                                            : "Inf",
                                                 ", expected a finite number"));
}

// In blocks, so that the check costs no branch an element.
template <typename Stored, typename Out>
absl::Status Copy(const TensorView& tensor, Out* out) {
  using Bits = typename Stored::Bits;
  constexpr int64_t kBlock = 4096;
  const int64_t n = tensor.numel();
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    const uint8_t* bytes = tensor.bytes.data();
    bool finite = true;
    for (int64_t i = begin; i < end; ++i) {
      const auto bits = Load<Bits>(bytes + i * static_cast<int64_t>(sizeof(Bits)));
      finite &= (bits & Stored::kExponent) != Stored::kExponent;
      out[i] = Stored::Value(bits);
    }
    for (int64_t i = begin; !finite && i < end; ++i) {
      const auto bits = Load<Bits>(bytes + i * static_cast<int64_t>(sizeof(Bits)));
      if ((bits & Stored::kExponent) == Stored::kExponent) return NotFinite<Stored>(tensor, i);
    }
  }
  return absl::OkStatus();
}

template <typename Out>
absl::Status CopyAs(const TensorView& tensor, Out* out) {
  switch (tensor.dtype) {
    case Dtype::kF32:
      return Copy<F32>(tensor, out);
    case Dtype::kF16:
      return Copy<F16>(tensor, out);
    case Dtype::kBF16:
      return Copy<BF16>(tensor, out);
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          tensor.file, ": tensor `", tensor.name, "`: stored as ",
          absl::string_view(Name(tensor.dtype).data(), Name(tensor.dtype).size()), ", expected F32, F16 or BF16"));
  }
}

}  // namespace

std::string_view Name(Dtype dtype) {
  return kFacts[static_cast<size_t>(dtype)].name;
}

int64_t SizeInBytes(Dtype dtype) {
  return kFacts[static_cast<size_t>(dtype)].bytes;
}

std::optional<Dtype> ParseDtype(std::string_view name) {
  for (size_t i = 0; i < std::size(kFacts); ++i) {
    if (kFacts[i].name == name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

int64_t TensorView::numel() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

std::string ShapeString(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status CopyAsFloat(const TensorView& tensor, float* out) {
  return CopyAs(tensor, out);
}

absl::Status CopyAsDouble(const TensorView& tensor, double* out) {
  return CopyAs(tensor, out);
}

}  // namespace ablate
