#include "engine/plan/site.h"

#include <charconv>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

bool TakeLetter(std::string_view& text, char lower) {
  if (text.empty() || absl::ascii_tolower(static_cast<unsigned char>(text.front())) != lower) return false;
  text.remove_prefix(1);
  return true;
}

// Digits only: no sign, no space.
std::optional<int32_t> TakeNumber(std::string_view& text) {
  if (text.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(text.front()))) return std::nullopt;
  int32_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(rest - text.data());
  return value;
}

std::optional<Site> TakeSite(std::string_view& text) {
  const bool house_form = TakeLetter(text, 'l');                   // L5H3
  const bool circuit_form = !house_form && TakeLetter(text, 'a');  // A5.3, a5.h3
  const std::optional<int32_t> layer = TakeNumber(text);
  if (!layer) return std::nullopt;
  if (house_form) {
    if (!TakeLetter(text, 'h')) return std::nullopt;
  } else {
    if (!TakeLetter(text, '.')) return std::nullopt;
    if (circuit_form) TakeLetter(text, 'h');
  }
  const std::optional<int32_t> head = TakeNumber(text);
  if (!head) return std::nullopt;
  return Site{*layer, *head};
}

}  // namespace

std::string Label(const Site& site) {
  return absl::StrCat("L", site.layer, "H", site.head);
}

absl::StatusOr<Site> ParseSite(std::string_view text) {
  std::string_view rest = text;
  const std::optional<Site> site = TakeSite(rest);
  if (!site || !rest.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("site \"", absl::CHexEscape(absl::string_view(text.data(), text.size())),
                     "\" is not of the form L5H3, 5.3, A5.3 or a5.h3 (layer, head; 0-based)"));
  }
  return *site;
}

std::string Label(const Variant& variant) {
  if (variant.edits.empty()) return "baseline";
  std::string label;
  const Edit* previous = nullptr;
  for (const Edit& edit : variant.edits) {
    if (previous == nullptr || previous->site != edit.site) {
      absl::StrAppend(&label, previous == nullptr ? "" : "+", Label(edit.site));
    }
    previous = &edit;
  }
  return label;
}

}  // namespace ablate
