// Colours of a terminal.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace ablate::cli {

enum class Color { kNone, k256, kTrue };

// What the user asked for, as the environment has it; read once (see FromEnvironment) so that tests can set it.
struct ColorWish {
  bool no_color = false;     // --no-color, or NO_COLOR set and not empty
  bool force_color = false;  // CLICOLOR_FORCE set, not empty and not 0
  std::string term;          // TERM
  std::string colorterm;     // COLORTERM

  static ColorWish FromEnvironment(bool no_color_option);
};

Color ChooseColor(const ColorWish& wish, bool is_terminal);

struct Rgb {
  uint8_t r, g, b;
};

// Blue for -1 over white for 0 to red for 1; beyond is clamped.
Rgb Diverging(double x);

// `text` on a background, in black or white, whichever can be read on it. Plain `text` without colour.
std::string OnBackground(Color color, Rgb background, absl::string_view text);
std::string Bold(Color color, absl::string_view text);
std::string Dim(Color color, absl::string_view text);

}  // namespace ablate::cli
