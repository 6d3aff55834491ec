#include "client/cpp/cli/style.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ablate::cli {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

uint8_t Mix(double from, double to, double t) {
  return static_cast<uint8_t>(std::lround(from + (to - from) * t));
}

// The nearest colour of the 6 x 6 x 6 cube, whose steps are 0, 95, 135, 175, 215 and 255.
int Cube(Rgb color) {
  const auto step = [](uint8_t v) { return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40; };
  return 16 + 36 * step(color.r) + 6 * step(color.g) + step(color.b);
}

std::string Escape(Color color, absl::string_view code, absl::string_view text) {
  if (color == Color::kNone) return std::string(text);
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

}  // namespace

ColorWish ColorWish::FromEnvironment(bool no_color_option) {
  const std::string force = Environment("CLICOLOR_FORCE");
  return {.no_color = no_color_option || !Environment("NO_COLOR").empty(),
          .force_color = !force.empty() && force != "0",
          .term = Environment("TERM"),
          .colorterm = Environment("COLORTERM")};
}

Color ChooseColor(const ColorWish& wish, bool is_terminal) {
  if (wish.no_color) return Color::kNone;
  if (wish.colorterm == "truecolor" || wish.colorterm == "24bit") {
    return is_terminal || wish.force_color ? Color::kTrue : Color::kNone;
  }
  if (wish.force_color) return Color::k256;
  // The Linux console and the old terminals know fewer than 256 colours.
  const bool simple =
      wish.term.empty() || wish.term == "dumb" || wish.term == "linux" || absl::StartsWith(wish.term, "vt");
  return is_terminal && !simple ? Color::k256 : Color::kNone;
}

Rgb Diverging(double x) {
  constexpr Rgb kBlue = {33, 102, 172}, kWhite = {247, 247, 247}, kRed = {178, 24, 43};
  const Rgb end = x < 0 ? kBlue : kRed;
  const double t = std::min(std::abs(x), 1.0);
  return {Mix(kWhite.r, end.r, t), Mix(kWhite.g, end.g, t), Mix(kWhite.b, end.b, t)};
}

std::string OnBackground(Color color, Rgb background, absl::string_view text) {
  const bool is_light = 299 * background.r + 587 * background.g + 114 * background.b > 128'000;
  if (color == Color::kTrue) {
    return Escape(color,
                  absl::StrCat("38;5;", is_light ? 16 : 231, ";48;2;", static_cast<int>(background.r), ";",
                               static_cast<int>(background.g), ";", static_cast<int>(background.b)),
                  text);
  }
  return Escape(color, absl::StrCat("38;5;", is_light ? 16 : 231, ";48;5;", Cube(background)), text);
}

std::string Bold(Color color, absl::string_view text) {
  return Escape(color, "1", text);
}

std::string Dim(Color color, absl::string_view text) {
  return Escape(color, "2", text);
}

}  // namespace ablate::cli
