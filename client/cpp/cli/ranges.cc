#include "client/cpp/cli/ranges.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ablate::cli {
namespace {

// Digits only: no sign, no space.
std::optional<int32_t> ParseIndex(absl::string_view text) {
  constexpr size_t kMostDigits = 4;
  if (text.empty() || text.size() > kMostDigits) return std::nullopt;
  int32_t value = 0;
  for (char c : text) {
    if (!absl::ascii_isdigit(c)) return std::nullopt;
    value = 10 * value + (c - '0');
  }
  return value;
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> ParseRanges(absl::string_view option, absl::string_view text) {
  const auto wrong = [&](absl::string_view part, absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(option, " `", text, "`: `", part, "` ", why,
                                                   "; expected numbers and ranges such as 0-11 or 0,3,5-7"));
  };
  std::vector<int32_t> result;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    part = absl::StripAsciiWhitespace(part);
    const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(part, absl::MaxSplits('-', 1));
    const bool is_range = part.find('-') != absl::string_view::npos;
    const auto first = ParseIndex(ends.first);
    const auto last = is_range ? ParseIndex(ends.second) : first;
    if (!first || !last) return wrong(part, "is not a number from 0 to 9999 or a range of two");
    if (*last < *first) return wrong(part, "falls");
    for (int32_t i = *first; i <= *last; ++i) {
      if (std::find(result.begin(), result.end(), i) != result.end()) {
        return wrong(part, absl::StrCat("names ", i, " a second time"));
      }
      result.push_back(i);
    }
  }
  return result;
}

}  // namespace ablate::cli
