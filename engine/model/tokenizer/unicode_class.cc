#include "engine/model/tokenizer/unicode_class.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace ablate::tokenizer {
namespace {

struct Range {
  char32_t first, last;
  UnicodeClass unicode_class;
};

constexpr Range kRanges[] = {
#include "engine/model/tokenizer/unicode_ranges.inc"
};

constexpr char32_t kAsciiEnd = 0x80;

// Most text, without a search.
constexpr auto kAscii = [] {
  std::array<UnicodeClass, kAsciiEnd> classes{};
  for (const Range& range : kRanges) {
    for (char32_t c = range.first; c <= range.last && c < kAsciiEnd; ++c) classes[c] = range.unicode_class;
  }
  return classes;
}();

}  // namespace

UnicodeClass ClassOf(char32_t code_point) {
  if (code_point < kAsciiEnd) return kAscii[code_point];
  const Range* range = std::lower_bound(std::begin(kRanges), std::end(kRanges), code_point,
                                        [](const Range& candidate, char32_t value) { return candidate.last < value; });
  const bool inside = range != std::end(kRanges) && range->first <= code_point;
  return inside ? range->unicode_class : UnicodeClass::kOther;
}

}  // namespace ablate::tokenizer
