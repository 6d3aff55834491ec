#include "client/cpp/cli/number.h"

#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace ablate::cli {

std::string RoundTrip(double value, ablation::v1::Precision precision) {
  char buffer[32];
  const auto end = precision == ablation::v1::PRECISION_FLOAT64
                       ? std::to_chars(buffer, buffer + sizeof(buffer), value)
                       : std::to_chars(buffer, buffer + sizeof(buffer), static_cast<float>(value));
  return std::string(buffer, end.ptr);
}

std::string PrecisionName(ablation::v1::Precision precision) {
  const std::string& name = ablation::v1::Precision_Name(precision);
  if (name.empty()) return absl::StrCat("precision ", static_cast<int>(precision));
  return absl::AsciiStrToLower(absl::StripPrefix(name, "PRECISION_"));
}

}  // namespace ablate::cli
