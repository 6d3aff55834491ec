#include "client/cpp/cli/bars.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace ablate::cli {

std::string Bar(double value, double max_abs, int half_width, Color color) {
  const bool is_empty = max_abs == 0 || std::isnan(value);
  const int n = is_empty ? 0 : static_cast<int>(std::lround(half_width * std::abs(value) / max_abs));
  const std::string fill = color == Color::kNone ? std::string(n, '#')
                           : n == 0 ? ""
                                    : OnBackground(color, Diverging(value < 0 ? -1 : 1), std::string(n, ' '));
  const std::string rest(half_width - n, ' '), empty(half_width, ' ');
  return value < 0 ? absl::StrCat(rest, fill, "|", empty) : absl::StrCat(empty, "|", fill, rest);
}

}  // namespace ablate::cli
