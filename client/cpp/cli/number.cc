#include "client/cpp/cli/number.h"

#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

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

std::string DurationText(int64_t ns) {
  const absl::Duration duration = absl::Nanoseconds(ns);
  if (duration < absl::Minutes(1)) return absl::StrFormat("%.3f s", absl::ToDoubleSeconds(duration));
  return absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
}

std::string BytesText(int64_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1024 ? absl::StrFormat("%.1f MiB", mebibytes) : absl::StrFormat("%.1f GiB", mebibytes / 1024);
}

}  // namespace ablate::cli
