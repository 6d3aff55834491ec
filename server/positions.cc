#include "server/positions.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "server/errors.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

// Counted from the end where negative, then cut to 0 .. n_tokens: what Python does with a slice's bound.
int32_t Bound(int32_t bound, int32_t n_tokens) {
  const int64_t from_start = bound < 0 ? int64_t{bound} + n_tokens : bound;
  return static_cast<int32_t>(std::clamp<int64_t>(from_start, 0, n_tokens));
}

std::string AsSlice(const pb::PositionRange& range) {
  return absl::StrCat("[", range.has_begin() ? absl::StrCat(range.begin()) : "", ":",
                      range.has_end() ? absl::StrCat(range.end()) : "", "]");
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> ResolvePositions(const pb::Positions& positions, int32_t n_tokens,
                                                      const std::string& field, const std::string& prompt) {
  if (positions.positions().empty() && positions.ranges().empty()) return AllPositions(n_tokens);
  if (positions.positions_size() + positions.ranges_size() > kMaxPositionEntries) {
    return BadField(field, "TOO_MANY_POSITIONS",
                    absl::StrCat("got ", positions.positions_size() + positions.ranges_size(),
                                 " positions and ranges, expected at most ", kMaxPositionEntries));
  }
  std::vector<bool> chosen(static_cast<size_t>(n_tokens), false);
  for (int i = 0; i < positions.positions_size(); ++i) {
    const int32_t position = positions.positions(i);
    if (position < -n_tokens || position >= n_tokens) {
      return BadField(absl::StrCat(field, ".positions[", i, "]"), "POSITION_OUT_OF_RANGE",
                      absl::StrCat("got ", position, ", expected ", -n_tokens, " .. ", n_tokens - 1, " (", prompt,
                                   " has ", n_tokens, n_tokens == 1 ? " token)" : " tokens)"));
    }
    chosen[static_cast<size_t>(position < 0 ? position + n_tokens : position)] = true;
  }
  for (int i = 0; i < positions.ranges_size(); ++i) {
    const pb::PositionRange& range = positions.ranges(i);
    const int32_t begin = range.has_begin() ? Bound(range.begin(), n_tokens) : 0;
    const int32_t end = range.has_end() ? Bound(range.end(), n_tokens) : n_tokens;
    if (begin >= end) {
      return BadField(absl::StrCat(field, ".ranges[", i, "]"), "POSITION_RANGE_EMPTY",
                      absl::StrCat("got ", AsSlice(range), ", expected a range that holds at least one of ", prompt,
                                   "'s positions 0 .. ", n_tokens - 1));
    }
    std::fill(chosen.begin() + begin, chosen.begin() + end, true);
  }
  std::vector<int32_t> resolved;
  for (int32_t p = 0; p < n_tokens; ++p) {
    if (chosen[static_cast<size_t>(p)]) resolved.push_back(p);
  }
  return resolved;
}

std::vector<int32_t> AllPositions(int32_t n_tokens) {
  std::vector<int32_t> all(static_cast<size_t>(n_tokens));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<PositionRange> AsRanges(absl::Span<const int32_t> positions) {
  std::vector<PositionRange> ranges;
  for (const int32_t position : positions) {
    if (ranges.empty() || ranges.back().end != position) ranges.push_back({position, position});
    ++ranges.back().end;
  }
  return ranges;
}

}  // namespace ablate
