#include "engine/types.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ablate {

std::string_view Name(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "float32";
    case Precision::kFloat64:
      return "float64";
    case Precision::kTf32:
      return "tf32";
    case Precision::kBf16:
      return "bf16";
  }
  return "unknown";
}

absl::StatusOr<Precision> ParsePrecision(std::string_view text) {
  for (const Precision precision : kPrecisions) {
    if (text == Name(precision)) return precision;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("precision: got '", std::string(text), "', expected float32, float64, tf32 or bf16"));
}

int64_t ActivationBytes(Precision precision) {
  return precision == Precision::kFloat64 ? 8 : 4;
}

int64_t WeightBytes(Precision precision) {
  return precision == Precision::kBf16 ? 2 : ActivationBytes(precision);
}

}  // namespace ablate
