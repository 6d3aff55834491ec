#include "client/cpp/cli/text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace ablate::cli {
namespace {

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// C1 controls, U+0080 .. U+009F: a terminal may obey them as it does ESC.
bool IsC1(absl::string_view text, size_t i) {
  return text[i] == '\xC2' && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
}

std::string Spaces(absl::string_view text, int width) {
  const int missing = width - VisibleWidth(text);
  return std::string(missing > 0 ? missing : 0, ' ');
}

}  // namespace

std::string Quote(absl::string_view token) {
  std::string quoted = "'";
  for (size_t i = 0; i < token.size(); ++i) {
    const auto c = static_cast<unsigned char>(token[i]);
    if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (c == '\r') {
      quoted += "\\r";
    } else if (c == '\'' || c == '\\') {
      quoted += {'\\', static_cast<char>(c)};
    } else if (c < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(&quoted, "\\x%02x", c);
    } else if (IsC1(token, i)) {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<unsigned char>(token[++i]));
    } else {
      quoted += static_cast<char>(c);
    }
  }
  return quoted + "'";
}

int VisibleWidth(absl::string_view text) {
  int width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = text.find('m', i);
      if (i == absl::string_view::npos) break;
    } else if (!IsContinuation(text[i])) {
      ++width;
    }
  }
  return width;
}

std::string Cut(absl::string_view text, int width) {
  if (VisibleWidth(text) <= width) return std::string(text);
  constexpr absl::string_view kEllipsis = "...";
  int left = width - static_cast<int>(kEllipsis.size());
  size_t end = 0;
  while (end < text.size() && (left > 0 || IsContinuation(text[end]))) {
    if (!IsContinuation(text[end])) --left;
    ++end;
  }
  while (end < text.size() && IsContinuation(text[end])) ++end;
  return absl::StrCat(text.substr(0, end), kEllipsis);
}

std::string CutBefore(absl::string_view text, absl::string_view suffix, int width) {
  return absl::StrCat(Cut(text, width - VisibleWidth(suffix)), suffix);
}

std::string PadRight(absl::string_view text, int width) {
  return absl::StrCat(text, Spaces(text, width));
}

std::string PadLeft(absl::string_view text, int width) {
  return absl::StrCat(Spaces(text, width), text);
}

std::string Wrap(absl::string_view text, int width) {
  std::string wrapped;
  int used = 0;
  for (absl::string_view word : absl::StrSplit(text, ' ')) {
    const int length = VisibleWidth(word);
    const bool breaks = used > 0 && used + 1 + length > width;
    absl::StrAppend(&wrapped, used == 0 ? "" : breaks ? "\n" : " ", word);
    used = breaks || used == 0 ? length : used + 1 + length;
  }
  return wrapped;
}

}  // namespace ablate::cli
