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

// In a pattern, what `*` reads as.
constexpr int32_t kAll = -1;

std::optional<int32_t> TakeNumberOrStar(std::string_view& text) {
  if (!text.starts_with('*')) return TakeNumber(text);
  text.remove_prefix(1);
  return kAll;
}

// The whole text as a site; `take` reads its two numbers.
template <typename Take>
std::optional<Site> ReadSite(std::string_view text, Take take) {
  const bool house_form = TakeLetter(text, 'l');                   // L5H3
  const bool circuit_form = !house_form && TakeLetter(text, 'a');  // A5.3, a5.h3
  const std::optional<int32_t> layer = take(text);
  if (!layer) return std::nullopt;
  if (house_form) {
    if (!TakeLetter(text, 'h')) return std::nullopt;
  } else {
    if (!TakeLetter(text, '.')) return std::nullopt;
    if (circuit_form) TakeLetter(text, 'h');
  }
  const std::optional<int32_t> head = take(text);
  if (!head || !text.empty()) return std::nullopt;
  return Site{*layer, *head};
}

std::string Quoted(std::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(absl::string_view(text.data(), text.size())), "\"");
}

absl::Status OutOfRange(std::string_view text, const char* what, int32_t index, int32_t count) {
  return absl::InvalidArgumentError(
      absl::StrCat("site ", Quoted(text), " has ", what, " ", index, ", expected 0 .. ", count - 1));
}

}  // namespace

std::string Label(const Site& site) {
  return absl::StrCat("L", site.layer, "H", site.head);
}

std::string Label(absl::Span<const Site> sites, ModelShape shape) {
  const auto n_heads = static_cast<size_t>(shape.n_heads);
  std::string label;
  for (size_t i = 0; i < sites.size();) {
    absl::StrAppend(&label, i == 0 ? "" : "+");
    const bool may_be_whole = n_heads > 1 && sites[i].head == 0 && i + n_heads <= sites.size();
    if (may_be_whole && sites[i + n_heads - 1] == Site{sites[i].layer, shape.n_heads - 1}) {
      absl::StrAppend(&label, "L", sites[i].layer, "H*");
      i += n_heads;
    } else {
      absl::StrAppend(&label, Label(sites[i++]));
    }
  }
  return label;
}

absl::StatusOr<Site> ParseSite(std::string_view text) {
  const std::optional<Site> site = ReadSite(text, TakeNumber);
  if (site) return *site;
  return absl::InvalidArgumentError(
      absl::StrCat("site ", Quoted(text), " is not of the form L5H3, 5.3, A5.3 or a5.h3 (layer, head; 0-based)"));
}

absl::StatusOr<std::vector<Site>> ParseSitePattern(std::string_view text, ModelShape shape) {
  const std::optional<Site> pattern = ReadSite(text, TakeNumberOrStar);
  if (!pattern) {
    return absl::InvalidArgumentError(
        absl::StrCat("site ", Quoted(text),
                     " is not of the form L5H3, 5.3, A5.3 or a5.h3 (layer, head; 0-based; * for all, as in L9H*)"));
  }
  const auto [layer, head] = *pattern;
  if (layer >= shape.n_layers) return OutOfRange(text, "layer", layer, shape.n_layers);
  if (head >= shape.n_heads) return OutOfRange(text, "head", head, shape.n_heads);
  std::vector<Site> sites;
  for (int32_t l = layer == kAll ? 0 : layer; l < (layer == kAll ? shape.n_layers : layer + 1); ++l) {
    for (int32_t h = head == kAll ? 0 : head; h < (head == kAll ? shape.n_heads : head + 1); ++h)
      sites.push_back({l, h});
  }
  return sites;
}

}  // namespace ablate
