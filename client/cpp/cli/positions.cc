#include "client/cpp/cli/positions.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ablate::cli {
namespace {

std::optional<int32_t> ParseNumber(absl::string_view text) {
  int32_t value = 0;
  const bool has_sign = !text.empty() && text.front() == '+';
  if (has_sign || !absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

// False where `part` is no slice.
bool ParseRange(absl::string_view part, ablation::v1::PositionRange* range) {
  const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(part, absl::MaxSplits(':', 1));
  const absl::string_view begin = absl::StripAsciiWhitespace(ends.first);
  const absl::string_view end = absl::StripAsciiWhitespace(ends.second);
  const auto first = ParseNumber(begin), behind = ParseNumber(end);
  if ((!begin.empty() && !first) || (!end.empty() && !behind)) return false;
  if (first) range->set_begin(*first);
  if (behind) range->set_end(*behind);
  return true;
}

}  // namespace

absl::StatusOr<std::optional<ablation::v1::Positions>> ParsePositions(absl::string_view option,
                                                                      absl::string_view text) {
  if (absl::StripAsciiWhitespace(text) == "all") return std::nullopt;
  ablation::v1::Positions positions;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    part = absl::StripAsciiWhitespace(part);
    const auto number = part == "last" ? std::optional<int32_t>(-1) : ParseNumber(part);
    if (number) {
      positions.add_positions(*number);
    } else if (part.find(':') == absl::string_view::npos || !ParseRange(part, positions.add_ranges())) {
      return absl::InvalidArgumentError(
          absl::StrCat(option, " `", text, "`: `", part,
                       "` is no position; expected all, last, or positions and ranges such as 0,3,-1 or 2:5"));
    }
  }
  return positions;
}

}  // namespace ablate::cli
