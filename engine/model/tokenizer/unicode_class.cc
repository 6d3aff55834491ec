#include "engine/model/tokenizer/unicode_class.h"

#include <algorithm>
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

}  // namespace

UnicodeClass ClassOf(char32_t code_point) {
  const Range* range = std::lower_bound(std::begin(kRanges), std::end(kRanges), code_point,
                                        [](const Range& candidate, char32_t value) { return candidate.last < value; });
  const bool inside = range != std::end(kRanges) && range->first <= code_point;
  return inside ? range->unicode_class : UnicodeClass::kOther;
}

}  // namespace ablate::tokenizer
